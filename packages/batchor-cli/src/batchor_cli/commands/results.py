"""`results`."""

from pathlib import Path
from typing import Annotated

import typer

from batchor_cli.flattened import flattened
from batchor_cli.options import Place, RunChoice
from batchor_cli.terminal import note, print_document

_STDOUT = Path("-")


@flattened
def results(
    choice: RunChoice,
    place: Place,
    output: Annotated[Path, typer.Option(help="The file to write, whole or not at all; - is stdout.")] = _STDOUT,
) -> None:
    """The results as JSON Lines, in input order; before the end, those that there are so far.

    Reads the database alone: no key, no network.
    """
    from batchor_cli.result_file import print_results, write_results
    from batchor_cli.session import open_session

    run_id = choice.required()
    with open_session(place) as session:
        run = session.runner.get_run(run_id)
        summary = run.summary()
        if summary.finished_at is None:
            note(f"run {summary.run_id} is not finished: these are its results so far")
        if output == _STDOUT:
            print_results(run)
        else:
            count = write_results(run, output)
            print_document({"run_id": summary.run_id, "output": str(output), "results": count})
