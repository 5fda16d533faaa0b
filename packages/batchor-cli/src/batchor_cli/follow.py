"""Following a run: its results as they come, while other processes drive it."""

import time
from pathlib import Path

from batchor import RunControlState, RunSummary
from batchor_cli.result_export import Progress, ResultExport
from batchor_cli.result_options import STDOUT, ResultOrder, Selection
from batchor_cli.signals import resumable, same_command
from batchor_cli.terminal import note

_INTERVAL_S = 0.5


def follow(export: ResultExport, output: Path, selection: Selection, *, append: bool) -> Progress:
    """Write results until the run is finished or there are as many as *selection* asks for.

    Stopped, it says with which `--after` to go on.
    """
    progress = Progress(selection.after)
    paused = _PauseNote()
    with resumable(lambda: _to_go_on(export.run.run_id, progress, output)):
        while True:
            # Looked at first: what ends between the two looks is written in the next round.
            summary = export.run.summary()
            paused.tell(summary)
            _write_new(export, output, _rest(selection, progress), progress, append=append)
            if summary.finished_at is not None or progress.count == selection.limit:
                return progress
            append = True
            time.sleep(_INTERVAL_S)


def _write_new(export: ResultExport, output: Path, selection: Selection, progress: Progress, *, append: bool) -> None:
    if output == STDOUT:
        export.print(selection, progress)
        return
    done = export.write(output, selection, append=append)
    progress.sequence = done.sequence
    progress.count += done.count


def _rest(selection: Selection, progress: Progress) -> Selection:
    left = None if selection.limit is None else selection.limit - progress.count
    return Selection(ResultOrder.COMPLETION, progress.sequence, left)


def _to_go_on(run_id: str, progress: Progress, output: Path) -> str:
    append: dict[str, str | None] = {} if output == STDOUT else {"append": None}
    return same_command(run_id, after=str(progress.sequence), **append)


class _PauseNote:
    """Says once that nothing comes while the run is paused."""

    def __init__(self) -> None:
        self._is_paused = False

    def tell(self, summary: RunSummary) -> None:
        is_paused = summary.control_state is RunControlState.PAUSED
        if is_paused and not self._is_paused:
            note(f"the run is paused; `batchor status {summary.run_id}` says why")
        self._is_paused = is_paused
