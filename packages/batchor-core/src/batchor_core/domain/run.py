"""Runs: their state, their counters, and the pure steps that change them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.item import StatusCounts
from batchor_core.domain.lease import Lease
from batchor_core.domain.output_line import TokenUsage
from batchor_core.domain.results import FailureCount
from batchor_core.domain.transitions import next_status, terminal_statuses
from batchor_core.json_types import JsonObject, JsonValue


class RunLifecycleStatus(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"


class LifecycleEvent(StrEnum):
    """What ends a run, and what lets its failed items begin again."""

    FINISH_CLEAN = "finish_clean"
    FINISH_WITH_FAILURES = "finish_with_failures"
    REOPEN = "reopen"


S, E = RunLifecycleStatus, LifecycleEvent

# fmt: off
TRANSITIONS: Mapping[tuple[RunLifecycleStatus, LifecycleEvent], RunLifecycleStatus] = {
    # from                       event                     to
    (S.RUNNING,                  E.FINISH_CLEAN):          S.COMPLETED,
    (S.RUNNING,                  E.FINISH_WITH_FAILURES):  S.COMPLETED_WITH_FAILURES,
    (S.COMPLETED_WITH_FAILURES,  E.REOPEN):                S.RUNNING,  # by an operator alone
}
# fmt: on
TERMINAL = terminal_statuses(RunLifecycleStatus, TRANSITIONS, but_for=LifecycleEvent.REOPEN)


class RunControlState(StrEnum):
    """What the operator, or a fault that needs one, asks of a run; apart from how far it is."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCEL_REQUESTED = "cancel_requested"


class ControlEvent(StrEnum):
    """What changes the control state."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


C, CE = RunControlState, ControlEvent

# fmt: off
CONTROL_TRANSITIONS: Mapping[tuple[RunControlState, ControlEvent], RunControlState] = {
    # from                event       to
    (C.RUNNING,           CE.PAUSE):  C.PAUSED,
    (C.RUNNING,           CE.RESUME): C.RUNNING,
    (C.RUNNING,           CE.CANCEL): C.CANCEL_REQUESTED,
    (C.PAUSED,            CE.PAUSE):  C.PAUSED,
    (C.PAUSED,            CE.RESUME): C.RUNNING,
    (C.PAUSED,            CE.CANCEL): C.CANCEL_REQUESTED,
    (C.CANCEL_REQUESTED,  CE.CANCEL): C.CANCEL_REQUESTED,
}
# fmt: on


@dataclass(frozen=True, slots=True)
class IngestState:
    """How far the source is read; everything needed to read on after a crash."""

    source: JsonObject
    """The source's identity: kind, reference, fingerprint."""
    checkpoint: JsonValue = None
    """The source's own, opaque; None: at the beginning."""
    next_index: int = 0
    """The index of the next item; so many items are accepted."""
    segment_id: int | None = None
    """The artifact of the open request segment; None: the next item opens one."""
    complete: bool = False
    lease: Lease = Lease()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A stored run."""

    run_id: str
    tag: str
    """12 random hex digits: they begin the run's custom_ids and name its artifact folder."""
    created_at: datetime
    config: JsonObject
    """The job without its secrets, source and code (`StoredJob`)."""
    ingest: IngestState
    status: RunLifecycleStatus = RunLifecycleStatus.RUNNING
    control_state: RunControlState = RunControlState.RUNNING
    control_reason: str | None = None
    control_message: str | None = None
    counts: StatusCounts = StatusCounts()
    usage: TokenUsage = TokenUsage()
    submit_cursor: int = 0
    """Items below it were claimed for their first attempt."""
    pending_bytes: int = 0
    """Request bytes of the items that were never claimed."""
    pending_tokens: int = 0
    result_sequence: int = 0
    """The sequence of the newest result; 0: none."""
    batches: int = 0
    """Batches that the provider acknowledged."""
    finished_at: datetime | None = None
    exported_at: datetime | None = None
    """When its artifacts were last exported whole, after it had finished."""

    @property
    def is_finished(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_running(self) -> bool:
        """Whether rows may be read and batches sent."""
        return not self.is_finished and self.control_state is RunControlState.RUNNING

    @property
    def is_cancelling(self) -> bool:
        """Whether what is open is being ended."""
        return not self.is_finished and self.control_state is RunControlState.CANCEL_REQUESTED

    def controlled(self, event: ControlEvent, *, reason: str | None = None, message: str | None = None) -> Self:
        """The run after an operator, or a fault, asked for *event*."""
        state = next_status(CONTROL_TRANSITIONS, self.control_state, event)
        return replace(self, control_state=state, control_reason=reason, control_message=message)

    def reopened(self) -> Self:
        """The finished run, going on with items that had failed."""
        return replace(self, status=next_status(TRANSITIONS, self.status, LifecycleEvent.REOPEN), finished_at=None)

    def finished_if_done(self, now: datetime) -> Self:
        """The run, finished when its input is read and no item is open."""
        if self.is_finished or not self.ingest.complete or self.counts.open:
            return self
        event = LifecycleEvent.FINISH_WITH_FAILURES if self.counts.failed_permanent else LifecycleEvent.FINISH_CLEAN
        return replace(self, status=next_status(TRANSITIONS, self.status, event), finished_at=now)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run at a glance; costs the same for ten rows and ten million."""

    run_id: str
    status: RunLifecycleStatus
    control_state: RunControlState
    control_reason: str | None
    control_message: str | None
    created_at: datetime
    finished_at: datetime | None
    ingestion_complete: bool
    counts: StatusCounts
    usage: TokenUsage
    batches: int
    """Batches that the provider acknowledged."""
    terminal_result_sequence: int

    @property
    def total_items(self) -> int:
        """Items accepted so far; the input's number once `ingestion_complete`."""
        return self.counts.accepted

    @classmethod
    def of(cls, run: RunRecord) -> Self:
        return cls(
            run_id=run.run_id,
            status=run.status,
            control_state=run.control_state,
            control_reason=run.control_reason,
            control_message=run.control_message,
            created_at=run.created_at,
            finished_at=run.finished_at,
            ingestion_complete=run.ingest.complete,
            counts=run.counts,
            usage=run.usage,
            batches=run.batches,
            terminal_result_sequence=run.result_sequence,
        )


@dataclass(frozen=True, slots=True)
class BatchSnapshot:
    """An open batch, as shown to people."""

    batch_id: int
    state: str
    provider_batch_id: str | None
    provider_status: str | None
    request_count: int
    next_due_at: datetime
    failures: int
    lease: Lease = Lease()
    """Who works on it now, and until when nobody else may."""

    @classmethod
    def of(cls, batch: BatchRecord) -> Self:
        return cls(
            batch_id=batch.batch_id,
            state=batch.state.value,
            provider_batch_id=batch.provider_batch_id,
            provider_status=batch.provider_status,
            request_count=batch.request_count,
            next_due_at=batch.next_due_at,
            failures=batch.failures,
            lease=batch.lease,
        )


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run's summary with its open batches, and how its items failed."""

    summary: RunSummary
    open_batches: tuple[BatchSnapshot, ...] = ()
    failures: tuple[FailureCount, ...] = ()
    ingest_lease: Lease = Lease()
    """Who reads the input, and until when nobody else may."""
