"""Pause, resume and retry: asked by an operator, or by a fault that needs one."""

from dataclasses import replace

from batchor_core.application.context import Services
from batchor_core.domain.events import EventType
from batchor_core.domain.item import ItemEvent, ItemStatus
from batchor_core.domain.retry import RetryRow
from batchor_core.domain.run import ControlEvent, RunControlState
from batchor_core.errors import RunCancelledError, StateError
from batchor_core.failpoints import around
from batchor_core.ports.state import UnitOfWork
from batchor_core.ports.state_records import ArtifactKind

BY_REQUEST = "by_request"
_SLICE_ITEMS = 5_000


def pause(services: Services, run_id: str, *, reason: str = BY_REQUEST, message: str | None = None) -> None:
    """Stop ingestion, submission and polling at the next boundary; a run that is not running is left as it is."""
    with around("control.pause"), services.store.transaction() as uow:
        run = uow.runs.lock(run_id)
        if not run.is_running:
            return
        event = services.event(run_id, EventType.RUN_PAUSED, {"reason": reason, "message": message})
        uow.runs.save(run.controlled(ControlEvent.PAUSE, reason=reason, message=message))
        uow.events.append([event])
    services.emit(event)


def resume(services: Services, run_id: str) -> None:
    """Let a paused run go on; any other is left as it is."""
    with around("control.resume"), services.store.transaction() as uow:
        run = uow.runs.lock(run_id)
        if run.control_state is not RunControlState.PAUSED:
            return
        event = services.event(run_id, EventType.RUN_RESUMED, {"after": run.control_reason})
        uow.runs.save(run.controlled(ControlEvent.RESUME))
        uow.events.append([event])
    services.emit(event)


def retry_failed(services: Services, run_id: str, *, error_class: str | None) -> int:
    """Let failed items of a finished run begin again, those of *error_class* or all; how many.

    Their failures are withdrawn and their attempts begin anew; the run goes on with them. Items that could not
    be sent at all stay failed. A crash in between leaves a run that goes on with some of them. `StateError` when the
    requests were pruned.
    """
    number = 0
    while moved := _reopen_slice(services, run_id, error_class=error_class):
        number += moved
    return number


def _reopen_slice(services: Services, run_id: str, *, error_class: str | None) -> int:
    with around("control.retry"), services.store.transaction() as uow:
        run = uow.runs.lock(run_id)
        if run.control_state is RunControlState.CANCEL_REQUESTED:
            raise RunCancelledError(run_id)
        withdrawn = uow.results.withdraw(run_id, error_class=error_class, limit=_SLICE_ITEMS)
        if not withdrawn:
            return 0
        _require_requests(uow, run_id)
        now = services.now()
        uow.retries.put(run_id, [RetryRow(row.item_index, 0, 0, now, "operator") for row in withdrawn])
        event = services.event(run_id, EventType.RUN_REOPENED, {"items": len(withdrawn)})
        counts = run.counts.move(ItemStatus.FAILED_PERMANENT, ItemEvent.REOPEN, number=len(withdrawn))
        run = replace(run, counts=counts, exported_at=None)
        uow.runs.save(run.reopened() if run.is_finished else run)
        uow.events.append([event])
    services.emit(event)
    return len(withdrawn)


def requests_pruned(uow: UnitOfWork, run_id: str) -> bool:
    """Whether requests of the run are gone, so that what failed can never be sent again."""
    records = uow.artifacts.of_run(run_id)
    return any(record.kind is ArtifactKind.REQUEST and record.state == "pruned" for record in records)


def _require_requests(uow: UnitOfWork, run_id: str) -> None:
    """Refuse what could never be sent, before the run is opened for it."""
    if requests_pruned(uow, run_id):
        raise StateError(
            f"the requests of run {run_id!r} were pruned, so its failed items cannot be sent again; "
            "nothing was changed; start a new run with their rows"
        )
