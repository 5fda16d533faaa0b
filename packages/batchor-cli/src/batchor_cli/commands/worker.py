"""`worker`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from batchor_cli.flattened import flattened
from batchor_cli.options import Access, Place
from batchor_cli.terminal import note


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works."""

    run: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="Only this run. May be given again. Default: all.")
    ] = None
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Batches worked on at once. Default: BATCHOR_CONCURRENCY, else 4."),
    ] = None
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when there is nothing that this worker can do.")
    ] = False
    health_file: Annotated[
        Path | None,
        typer.Option(help="A file that is written about once a second, with how the worker stands, as JSON."),
    ] = None
    grace_s: Annotated[
        float, typer.Option(min=0, help="After SIGTERM: seconds for the steps at hand, then they are handed back.")
    ] = 5.0
    log_format: Annotated[
        Literal["json", "text"] | None, typer.Option(help="Default: text on a terminal, else json.")
    ] = None


@flattened
def worker(options: WorkerOptions, access: Access, place: Place) -> None:
    """Drive all open runs of a storage, beside any number of other workers, until SIGTERM or Ctrl-C. Its log goes to stderr."""
    from functools import partial

    from batchor_cli.model_class import chosen_model
    from batchor_cli.session import open_session
    from batchor_cli.target import stored_config, target_of
    from batchor_cli.worker_health import HealthFile
    from batchor_cli.worker_log import log_event, log_to_stderr
    from batchor_cli.worker_loop import WorkerLoop

    log_to_stderr(as_json=options.log_format == "json" or (options.log_format is None and not sys.stderr.isatty()))
    # Imported, a model of the current folder is found under the name that runs have stored.
    chosen_model(access.structured_output_class)
    with (
        open_session(place, observer=log_event, concurrency=options.concurrency) as session,
        target_of(access, store=session.store, sandbox=place.sandbox) as target,
        HealthFile(options.health_file) as health,
    ):
        loop = WorkerLoop(
            session.runner,
            run_ids=options.run or [],
            until_idle=options.until_idle,
            provider_config=partial(
                stored_config, session.store, target=target, poll_interval_s=access.poll_interval_s
            ),
            tell_health=health.write,
        )
        report = loop.run(grace_s=options.grace_s)
    for run_id, trouble in ({} if report is None else report.troubles).items():
        note(f"run {run_id} could not be driven here: {trouble}")
