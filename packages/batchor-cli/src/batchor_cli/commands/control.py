"""`pause`, `resume`, `cancel` and `retry`."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchor_cli.finish import exit_if_items_failed
from batchor_cli.flattened import flattened
from batchor_cli.options import Access, Place, RunChoice, typed_command
from batchor_cli.terminal import note, print_document

if TYPE_CHECKING:
    from batchor import Run


@flattened
def pause(choice: RunChoice, place: Place) -> None:
    """Let a run make no step, in any process, until it is resumed. Batches at the provider go on there."""
    from batchor_cli.documents import summary_document

    with _stored_run(choice, place) as run:
        run.pause()
        print_document(summary_document(run.summary()))


@flattened
def resume(choice: RunChoice, place: Place) -> None:
    """Let a paused run go on; `batchor wait` then drives it."""
    from batchor_cli.documents import summary_document

    with _stored_run(choice, place) as run:
        run.resume()
        print_document(summary_document(run.summary()))


@flattened
def cancel(
    choice: RunChoice,
    access: Access,
    place: Place,
    wait: Annotated[bool, typer.Option("--wait", help="Drive the run to its end; else `batchor wait` does.")] = False,
) -> None:
    """End a run early: what is finished is kept, everything else ends as failed (run_cancelled). There is no way back."""
    from batchor_cli.documents import summary_document

    with _run_to_change(choice, access, place, drive=wait) as run:
        run.cancel()
        summary = run.wait().summary() if wait else run.summary()
    print_document(summary_document(summary))
    if summary.finished_at is None:
        note(f"the end is asked for; {typed_command('wait', summary.run_id, access, place)} carries it out")


@flattened
def retry(
    choice: RunChoice,
    access: Access,
    place: Place,
    error_class: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Only items that failed so, as `batchor status` names it.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Drive the run to its end; else `batchor wait` does.")] = False,
) -> None:
    """Let failed items begin again, all or those of one error class. Items that could not be sent stay failed."""
    from batchor_cli.documents import summary_document

    with _run_to_change(choice, access, place, drive=wait) as run:
        number = run.retry(error_class=error_class)
        note(f"{number} items begin again")
        summary = run.wait().summary() if wait else run.summary()
    print_document({**summary_document(summary), "retried": number})
    if wait:
        exit_if_items_failed(summary)


@contextmanager
def _stored_run(choice: RunChoice, place: Place) -> Generator["Run[Any]"]:
    from batchor_cli.session import open_session

    run_id = choice.required()
    with open_session(place) as session:
        yield session.runner.get_run(run_id)


@contextmanager
def _run_to_change(choice: RunChoice, access: Access, place: Place, *, drive: bool) -> Generator["Run[Any]"]:
    """The run; no server is reached, and no key needed, where it is not to be driven."""
    from batchor_cli.drive import drivable_run

    run_id = choice.required()
    # Not the same command again: a second retry would also take up what has failed anew.
    wait = typed_command("wait", run_id, access, place)
    with drivable_run(run_id, access, place, again=lambda: wait) if drive else _stored_run(choice, place) as run:
        yield run
