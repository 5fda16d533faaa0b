"""Driving a stored run, whose job is not at hand."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from batchor import Run
from batchor_cli.model_class import chosen_model
from batchor_cli.options import Access, Place
from batchor_cli.progress import progress_bar
from batchor_cli.session import open_session
from batchor_cli.signals import resumable, same_command
from batchor_cli.target import stored_config, target_of


@contextmanager
def drivable_run(
    run_id: str, access: Access, place: Place, *, again: Callable[[], str] | None = None
) -> Generator[Run[Any]]:
    """The run, with the server and the key that the options name.

    Stopped, the command says to go on with *again*, by default itself.
    """
    with (
        resumable(again or (lambda: same_command(run_id))),
        progress_bar() as bar,
        open_session(place, observer=bar) as session,
        target_of(access, store=session.store, sandbox=place.sandbox) as target,
    ):
        if bar is not None:
            bar.follow(session.runner)
        yield session.runner.get_run(
            run_id,
            structured_output=chosen_model(access.structured_output_class),
            provider_config=stored_config(session.store, run_id, target=target, poll_interval_s=access.poll_interval_s),
        )
