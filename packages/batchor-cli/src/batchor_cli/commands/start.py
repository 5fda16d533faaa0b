"""`start` and `run`."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchor_cli.exit_codes import PAUSED
from batchor_cli.finish import exit_if_items_failed
from batchor_cli.flattened import flattened
from batchor_cli.job_options import JobOptions
from batchor_cli.options import Access, Place
from batchor_cli.result_options import FormatOptions, ResultFormat, Selection
from batchor_cli.signals import resumable, same_command
from batchor_cli.terminal import note, print_document

if TYPE_CHECKING:
    from batchor import Run
    from batchor_cli.session import Session


@flattened
def start(
    job: JobOptions,
    access: Access,
    place: Place,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Only read the input, and leave all else to `batchor worker`. Needs no key."),
    ] = False,
) -> None:
    """Read the input and send it; the provider then works on it, and `batchor wait` fetches the answers."""
    from batchor import RunControlState
    from batchor_cli.documents import summary_document

    with _started(job, access, place, detach=detach) as (started, _):
        summary = started.summary()
    print_document(summary_document(summary))
    if summary.control_state is RunControlState.PAUSED:
        note(f"the run is paused ({summary.control_reason}): {summary.control_message}")
        raise typer.Exit(PAUSED)


@flattened
def run(
    job: JobOptions,
    access: Access,
    place: Place,
    style: FormatOptions,
    output: Annotated[
        Path | None, typer.Option(help="The file for the results. Default: results.jsonl, or the ending of --format.")
    ] = None,
) -> None:
    """Start, wait, and write the results. Stopped or killed, the same command with --run-id goes on.

    The exit code is 1 when items failed; the results are written all the same.
    """
    from batchor_cli.documents import summary_document
    from batchor_cli.result_export import ResultExport, Style, check_target

    output = output or Path(f"results.{style.format or ResultFormat.JSONL}")
    chosen = Style(style.format_for(output), csv_guard=not style.no_csv_guard)
    check_target(output)
    with _started(job, access, place) as (started, session):
        started.wait()
        written = ResultExport.of(started, session, chosen).write(output, Selection())
        summary = started.summary()
    print_document({**summary_document(summary), "output": str(output), "results": written.count})
    exit_if_items_failed(summary)


@contextmanager
def _started(
    job: JobOptions, access: Access, place: Place, *, detach: bool = False
) -> Generator[tuple["Run[Any]", "Session"]]:
    from batchor_cli.job import build_job
    from batchor_cli.progress import progress_bar
    from batchor_cli.sandbox import POLL_INTERVAL_S
    from batchor_cli.session import open_session
    from batchor_cli.target import target_of

    # Chosen here, so that it can be told before the first row is read.
    run_id = job.run_id or _new_run_id()
    with (
        resumable(lambda: same_command(run_id)),
        progress_bar() as bar,
        open_session(place, must_exist=False, observer=bar) as session,
        target_of(access, store=session.store, sandbox=place.sandbox) as target,
    ):
        usual_s = POLL_INTERVAL_S if place.sandbox else session.settings.poll_interval_s
        poll_interval_s = usual_s if access.poll_interval_s is None else access.poll_interval_s
        built = build_job(job, access, target=target, poll_interval_s=poll_interval_s)
        note(f"run {run_id}")
        if bar is not None:
            bar.follow(session.runner)
        yield session.runner.start(built, run_id=run_id, detach=detach), session


def _new_run_id() -> str:
    import secrets
    from datetime import UTC, datetime

    from batchor_core.domain.run_id import new_run_id

    return new_run_id(datetime.now(UTC), secrets.token_hex(4))
