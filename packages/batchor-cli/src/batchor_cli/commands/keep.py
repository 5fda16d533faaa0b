"""`export-artifacts`, `prune-artifacts` and `verify`: a finished run's files, kept or let go."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from batchor_cli.exit_codes import FOUND_FAULTS
from batchor_cli.flattened import flattened
from batchor_cli.options import Place, RunChoice
from batchor_cli.terminal import note, print_document, print_text, printable


@flattened
def export_artifacts(
    choice: RunChoice,
    place: Place,
    destination_dir: Annotated[
        Path, typer.Option(help="The folder in which a folder named like the run is made.", show_default=False)
    ],
) -> None:
    """Copy all files of a finished run, whole or not at all: manifest, results, requests, raw answers."""
    from batchor_cli.documents import export_document
    from batchor_cli.session import open_session

    run_id = choice.required()
    with open_session(place) as session:
        done = session.runner.get_run(run_id).export_artifacts(destination_dir)
    print_document(export_document(run_id, done))


@flattened
def prune_artifacts(
    choice: RunChoice,
    place: Place,
    include_raw_output_artifacts: Annotated[
        bool,
        typer.Option("--include-raw-output-artifacts", help="Also the raw answers; refused before an export."),
    ] = False,
) -> None:
    """Delete a finished run's request files. Results stay readable."""
    from dataclasses import asdict

    from batchor_cli.session import open_session

    run_id = choice.required()
    with open_session(place) as session:
        run = session.runner.get_run(run_id)
        done = run.prune_artifacts(include_raw_output_artifacts=include_raw_output_artifacts)
    print_document({"run_id": run_id, **asdict(done)})


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="DIR", help="An exported run: the folder with manifest.json.")],
) -> None:
    """Check an exported run against its manifest. The exit code is 9 when a file is not as it was exported."""
    from batchor_core.application.bundle import verify_bundle

    faults = verify_bundle(bundle)
    if sys.stdout.isatty():
        print_text("\n".join(printable(fault) for fault in faults) or "every file is as it was exported")
    else:
        print_document({"bundle": str(bundle), "is_whole": not faults, "faults": faults})
    if faults:
        note(f"{len(faults)} faults; export the run again, or restore these files")
        raise typer.Exit(FOUND_FAULTS)
