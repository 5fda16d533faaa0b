"""`audit`."""

from typing import Annotated

import typer

from batchor_cli.exit_codes import FOUND_FAULTS
from batchor_cli.flattened import flattened
from batchor_cli.options import Access, Place, RunChoice
from batchor_cli.terminal import note, print_document


@flattened
def audit(
    choice: RunChoice,
    access: Access,
    place: Place,
    offline: Annotated[
        bool, typer.Option("--offline", help="Compare counters and facts only; no key, no network.")
    ] = False,
) -> None:
    """Compare a run's counters with the stored facts, and the provider's batches with ours. Changes nothing.

    The exit code is 9 when they differ.
    """
    from batchor_cli.documents import audit_document
    from batchor_cli.drive import drivable_run
    from batchor_cli.session import open_session

    run_id = choice.required()
    if offline:
        with open_session(place) as session:
            report = session.runner.get_run(run_id).audit(ask_provider=False)
    else:
        with drivable_run(run_id, access, place) as run:
            report = run.audit()
    print_document(audit_document(report))
    if report.unknown_batches:
        note(
            "the provider has batches of this run that its database does not know; look at them there, and cancel them"
        )
    if report.counted != report.recounted:
        note("the counters are not what the facts give, which is a fault of batchor: keep the database, and report it")
    if not report.is_clean:
        raise typer.Exit(FOUND_FAULTS)
