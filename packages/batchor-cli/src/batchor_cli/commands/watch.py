"""`status`, `wait` and `runs`."""

import sys
from typing import Annotated

import typer

from batchor_cli.finish import exit_if_items_failed
from batchor_cli.flattened import flattened
from batchor_cli.options import Access, Place, RunChoice
from batchor_cli.signals import resumable
from batchor_cli.terminal import print_document, print_text


@flattened
def status(
    choice: RunChoice,
    place: Place,
    as_json: Annotated[bool, typer.Option("--json", help="JSON also on a terminal.")] = False,
) -> None:
    """How far a run is, and what needs a hand. Reads the database alone: no key, no network."""
    from datetime import UTC, datetime

    from batchor_cli.documents import snapshot_document
    from batchor_cli.session import open_session
    from batchor_cli.status_table import status_table

    run_id = choice.required()
    with open_session(place) as session:
        snapshot = session.runner.get_run(run_id).snapshot()
    now = datetime.now(UTC)
    if sys.stdout.isatty() and not as_json:
        print_text(status_table(snapshot, now=now))
    else:
        print_document(snapshot_document(snapshot, now=now))


@flattened
def wait(
    choice: RunChoice,
    access: Access,
    place: Place,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Give up then, with exit code 8; the run can go on.")
    ] = None,
) -> None:
    """Drive a run until it is finished. The exit code is 1 when items failed, 5 when the run is paused."""
    from batchor_cli.documents import summary_document
    from batchor_cli.model_class import chosen_model
    from batchor_cli.progress import progress_bar
    from batchor_cli.session import open_session
    from batchor_cli.target import stored_config, target_of

    run_id = choice.required()
    with (
        resumable(run_id),
        progress_bar() as bar,
        open_session(place, observer=bar) as session,
        target_of(access, store=session.store, sandbox=place.sandbox) as target,
    ):
        if bar is not None:
            bar.follow(session.runner)
        run = session.runner.get_run(
            run_id,
            structured_output=chosen_model(access.structured_output_class),
            provider_config=stored_config(session.store, run_id, target=target, poll_interval_s=access.poll_interval_s),
        )
        summary = run.wait(timeout=timeout).summary()
    print_document(summary_document(summary))
    exit_if_items_failed(summary)


@flattened
def runs(
    place: Place,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    before: Annotated[
        str | None, typer.Option(help="Only runs older than this one: the last of the page before.")
    ] = None,
) -> None:
    """The stored runs, newest first."""
    from batchor_cli.documents import summary_document
    from batchor_cli.session import open_session

    with open_session(place) as session:
        page = session.runner.runs(before=before, limit=limit)
    print_document({"runs": [summary_document(summary) for summary in page]})
