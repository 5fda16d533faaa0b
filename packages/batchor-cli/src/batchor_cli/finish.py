"""How a command ends when its run has ended."""

from typing import TYPE_CHECKING

import typer

from batchor_cli.exit_codes import FINISHED_WITH_FAILURES
from batchor_cli.terminal import note

if TYPE_CHECKING:
    from batchor import RunSummary


def exit_if_items_failed(summary: "RunSummary") -> None:
    """End with the exit code for failed items, if there are some."""
    if summary.counts.failed_permanent:
        note(f"{summary.counts.failed_permanent} items failed; `batchor status` says how, `batchor results` which")
        raise typer.Exit(FINISHED_WITH_FAILURES)
