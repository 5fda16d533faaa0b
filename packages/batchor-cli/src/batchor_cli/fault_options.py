"""The options that make the sandbox misbehave."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOptions:
    """What goes wrong in the sandbox, while this command runs."""

    fault: Annotated[
        list[str] | None,
        Option(
            metavar="NAME[=VALUE]",
            help="With --sandbox: a fault to rehearse, such as act-then-drop=batches.create@2x or lost=1%. "
            "`batchor-emulator --help` lists them. May be given again.",
        ),
    ] = None
    fault_preset: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="With --sandbox: a bad day to rehearse, such as flaky-network or angry-provider."),
    ] = None
    faults: Annotated[list[Path] | None, Option(metavar="FILE", help="With --sandbox: a fault profile as JSON.")] = None

    @property
    def any(self) -> bool:
        """Whether one is given."""
        return bool(self.fault or self.fault_preset or self.faults)
