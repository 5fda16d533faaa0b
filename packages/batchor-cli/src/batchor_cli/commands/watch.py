"""`status`, `wait`, `runs` and `events`."""

import sys
from typing import Annotated

import typer

from batchor_cli.finish import exit_if_items_failed
from batchor_cli.flattened import flattened
from batchor_cli.options import Access, Place, RunChoice
from batchor_cli.terminal import print_document, print_text


@flattened
def status(
    choice: RunChoice,
    place: Place,
    workers: Annotated[bool, typer.Option("--workers", help="Also who holds what of it, and until when.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON also on a terminal.")] = False,
) -> None:
    """How far a run is, and what needs a hand. Reads the database alone: no key, no network."""
    from datetime import UTC, datetime

    from batchor_cli.attention import what_needs_a_hand
    from batchor_cli.documents import holds_document, snapshot_document
    from batchor_cli.holds import holds_of
    from batchor_cli.session import open_session
    from batchor_cli.status_table import status_table

    run_id = choice.required()
    now = datetime.now(UTC)
    with open_session(place) as session:
        snapshot = session.runner.get_run(run_id).snapshot()
        needs = what_needs_a_hand(session.store, snapshot, place=place, now=now)
        now = session.store.now(now)
    holds = holds_of(snapshot, now=now) if workers else None
    if sys.stdout.isatty() and not as_json:
        print_text(status_table(snapshot, needs, now=now, holds=holds))
    else:
        held = {} if holds is None else {"workers": holds_document(holds)}
        print_document({**snapshot_document(snapshot, needs, now=now), **held})


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
    from batchor_cli.drive import drivable_run

    with drivable_run(choice.required(), access, place) as run:
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


@flattened
def events(
    choice: RunChoice,
    place: Place,
    after: Annotated[int, typer.Option(min=0, metavar="N", help="Only events with a greater sequence.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 1_000,
) -> None:
    """What happened to a run, oldest first: the log that is kept with it."""
    from batchor_cli.documents import events_document
    from batchor_cli.session import open_session

    run_id = choice.required()
    with open_session(place) as session:
        session.runner.get_run(run_id)
        with session.store.reading() as uow:
            stored = uow.events.read(run_id, after=after, limit=limit)
    print_document(events_document(run_id, stored, after=after))
