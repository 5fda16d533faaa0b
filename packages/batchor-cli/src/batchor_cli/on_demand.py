"""Commands that are imported when they are called, so that a list of all of them costs none."""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_command


class Known(NamedTuple):
    """What the list of commands shows of one, and where the command itself is."""

    module: str
    """Of `batchor_cli.commands`; it has the command under its name, with underscores."""
    summary: str
    """The first sentence of the command's own help."""


KNOWN: dict[str, Known] = {
    "start": Known(
        "start", "Read the input and send it; the provider then works on it, and `batchor wait` fetches the answers."
    ),
    "status": Known("watch", "How far a run is, and what needs a hand."),
    "wait": Known("watch", "Drive a run until it is finished."),
    "results": Known("results", "The results so far, as JSON Lines, CSV or Parquet."),
    "run": Known("start", "Start, wait, and write the results."),
    "pause": Known("control", "Let a run make no step, in any process, until it is resumed."),
    "resume": Known("control", "Let a paused run go on; `batchor wait` then drives it."),
    "cancel": Known(
        "control", "End a run early: what is finished is kept, everything else ends as failed (run_cancelled)."
    ),
    "retry": Known("control", "Let failed items begin again, all or those of one error class."),
    "runs": Known("watch", "The stored runs, newest first."),
    "events": Known("watch", "What happened to a run, oldest first: the log that is kept with it."),
    "audit": Known("audit", "Compare a run's counters with the stored facts, and the provider's batches with ours."),
    "export-artifacts": Known(
        "keep", "Copy all files of a finished run, whole or not at all: manifest, results, requests, raw answers."
    ),
    "prune-artifacts": Known("keep", "Delete a finished run's request files."),
    "verify": Known("keep", "Check an exported run against its manifest."),
    "worker": Known(
        "worker", "Drive all open runs of a storage, beside any number of other workers, until SIGTERM or Ctrl-C."
    ),
    "config": Known("config", "What is set, and who decided it."),
}
"""In the order of the list."""


class CommandOnDemand(TyperCommand):
    """Stands for a command in the list, and hands over to it when it is called."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """The context of the command itself, which does the rest: options, help, errors."""
        return loaded(self.name or "").make_context(*args, **extra)


def add_known(app: typer.Typer) -> None:
    """Put the known commands into *app*, without importing one."""
    for name, known in KNOWN.items():
        app.command(name, cls=CommandOnDemand, help=known.summary)(_not_called)


def loaded(name: str) -> Any:
    """The command itself, as click knows it."""
    command = getattr(import_module(f"batchor_cli.commands.{KNOWN[name].module}"), name.replace("-", "_"))
    if isinstance(command, typer.Typer):
        return get_command(command)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name)(command)
    return get_command(alone)


def _not_called() -> None:
    """The context that `make_context` gives is another command's, so that its callback is called."""
