"""`results`."""

from pathlib import Path
from typing import Annotated

import typer

from batchor_cli.flattened import flattened
from batchor_cli.options import Place, RunChoice
from batchor_cli.result_options import (
    STDOUT,
    FormatOptions,
    ResultOrder,
    Selection,
    SelectionOptions,
)
from batchor_cli.terminal import note, print_document


@flattened
def results(
    choice: RunChoice,
    place: Place,
    options: SelectionOptions,
    style: FormatOptions,
    output: Annotated[Path, typer.Option(help="The file to write, whole or not at all; - is stdout.")] = STDOUT,
) -> None:
    """The results so far, as JSON Lines, CSV or Parquet. Reads the database alone: no key, no network."""
    from batchor_cli.follow import follow
    from batchor_cli.result_export import Progress, ResultExport, Style, check_target
    from batchor_cli.session import open_session

    run_id = choice.required()
    chosen = Style(style.format_for(output), csv_guard=not style.no_csv_guard)
    selection = options.selection(chosen.format, output)
    if output != STDOUT:
        check_target(output)
    with open_session(place) as session:
        run = session.runner.get_run(run_id)
        export = ResultExport.of(run, session, chosen)
        progress = Progress(selection.after)
        if options.follow:
            progress = follow(export, output, selection, append=options.append)
        elif output == STDOUT:
            export.print(selection, progress)
        else:
            progress = export.write(output, selection, append=options.append)
        if run.summary().finished_at is None:
            note(f"run {run_id} is not finished: these are its results so far")
    _tell_end(run_id, output, selection, sequence=progress.sequence, count=progress.count)


def _tell_end(run_id: str, output: Path, selection: Selection, *, sequence: int, count: int) -> None:
    in_completion_order = selection.order is ResultOrder.COMPLETION
    if output != STDOUT:
        following = {"next_after": sequence} if in_completion_order else {}
        print_document({"run_id": run_id, "output": str(output), "results": count, **following})
    elif in_completion_order:
        note(f"what comes next: --after {sequence}")
