"""A bar on stderr, where that is a terminal."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from batchor import BatchRunner, RunEvent, RunSummary


class ProgressBar:
    """Follows the events of a run; shows its counters."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True, markup=False, highlight=False),
            transient=True,
        )
        self._task = self._bar.add_task("reading", total=None)
        self._runner: BatchRunner | None = None

    def follow(self, runner: BatchRunner) -> None:
        """Begin to show the runs of *runner*."""
        self._runner = runner
        self._bar.start()

    def stop(self) -> None:
        self._bar.stop()

    def __call__(self, event: RunEvent) -> None:
        if self._runner is not None:
            self._show(self._runner.get_run(event.run_id).summary())

    def _show(self, summary: RunSummary) -> None:
        counts = summary.counts
        self._bar.update(
            self._task,
            description="waiting" if summary.ingestion_complete else "reading",
            completed=counts.completed + counts.failed_permanent,
            total=summary.total_items if summary.ingestion_complete else None,
        )


@contextmanager
def progress_bar() -> Generator[ProgressBar | None]:
    """A bar, or None where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = ProgressBar()
    try:
        yield bar
    finally:
        bar.stop()
