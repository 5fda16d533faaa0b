"""Pause and resume: asked by an operator, or by a fault that needs one."""

from batchor_core.application.context import Services
from batchor_core.domain.events import EventType
from batchor_core.domain.run import ControlEvent, RunControlState
from batchor_core.failpoints import around

BY_REQUEST = "by_request"


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
