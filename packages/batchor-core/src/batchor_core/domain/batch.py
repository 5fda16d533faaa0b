"""Provider batches: our states for them, and what the provider tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from batchor_core.domain.lease import Lease
from batchor_core.domain.transitions import next_status, terminal_statuses


class BatchState(StrEnum):
    """Where a batch stands with us; the provider's own status is kept beside it."""

    PREPARED = "prepared"
    """The intent is stored, its requests are claimed."""
    UPLOADED = "uploaded"
    """The input file is with the provider."""
    CREATING = "creating"
    """A create call may be on its way, or its answer was unclear."""
    FENCING = "fencing"
    """The input file is deleted, so that a create that still lurks can only fail; we keep looking."""
    SUBMITTED = "submitted"
    """The provider has the batch, and we know its id."""
    ENDED = "ended"
    """The provider is done with it; its files are not read yet."""
    COLLECTED = "collected"
    """Every request of it has a result or awaits a retry."""
    ABANDONED = "abandoned"
    """No batch was created; its requests were claimed again under a new key."""


class BatchEvent(StrEnum):
    """What happens to a batch."""

    UPLOAD = "upload"
    SEND = "send"
    REFUSE = "refuse"
    ACKNOWLEDGE = "acknowledge"
    FENCE = "fence"
    ABANDON = "abandon"
    END = "end"
    COLLECT = "collect"


S, E = BatchState, BatchEvent

# fmt: off
TRANSITIONS: Mapping[tuple[BatchState, BatchEvent], BatchState] = {
    # from         event            to
    (S.PREPARED,   E.UPLOAD):       S.UPLOADED,
    (S.PREPARED,   E.ABANDON):      S.ABANDONED,
    (S.UPLOADED,   E.SEND):         S.CREATING,
    (S.UPLOADED,   E.ABANDON):      S.ABANDONED,
    (S.CREATING,   E.ACKNOWLEDGE):  S.SUBMITTED,
    (S.CREATING,   E.REFUSE):       S.UPLOADED,   # a definite no: nothing was created
    (S.CREATING,   E.FENCE):        S.FENCING,
    (S.FENCING,    E.ACKNOWLEDGE):  S.SUBMITTED,  # found late, and adopted
    (S.FENCING,    E.ABANDON):      S.ABANDONED,
    (S.SUBMITTED,  E.END):          S.ENDED,
    (S.ENDED,      E.COLLECT):      S.COLLECTED,
}
# fmt: on
TERMINAL = terminal_statuses(BatchState, TRANSITIONS)
UNSENT = frozenset({S.PREPARED, S.UPLOADED})
"""No create call was made, or the last one was refused."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """A fault that the provider found in an input file; `line` counts from 1, None when it names no line."""

    code: str | None
    message: str
    line: int | None = None
    param: str | None = None
    transient: bool = False
    """It goes away by itself, such as a full queue of enqueued tokens."""
    pause_reason: str | None = None
    """Why the run has to be paused, one of `RefusalConsequence`, where the fault is of the account and not of the file."""


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the provider shows it. `ended` is the adapter's reading of `provider_status`, an open set."""

    provider_batch_id: str
    provider_status: str
    ended: bool
    input_file_id: str | None
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[LineFault, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A stored batch: its claim on items, its lease, and what is known of the provider's side.

    It holds the items `[first, last)` that have a request and no retry row, and the items whose
    retry row names it.
    """

    batch_id: int
    """Given by the store; 0 before it is stored."""
    run_id: str
    batch_key: str
    """128 random bits in hex: how the provider's batch is recognised as this one."""
    first: int
    last: int
    request_count: int
    request_bytes: int
    reserved_tokens: int
    created_at: datetime
    next_due_at: datetime
    state: BatchState = BatchState.PREPARED
    lease: Lease = Lease()
    failures: int = 0
    """Calls in a row that failed for this batch; sets the backoff."""
    input_file_id: str | None = None
    sent_at: datetime | None = None
    """When the create call was about to be made."""
    fenced_at: datetime | None = None
    """When its input file was about to be deleted; what is found of it after that may fail for want of the file."""
    looks: int = 0
    """How often it was looked for since it was fenced."""
    provider_batch_id: str | None = None
    provider_status: str | None = None
    cancel_asked_at: datetime | None = None
    """When the provider was asked to cancel it."""
    output_file_id: str | None = None
    error_file_id: str | None = None
    output_artifact_id: int | None = None
    error_artifact_id: int | None = None
    output_offset: int = 0
    """Bytes of the output artifact that are applied to the state."""
    error_offset: int = 0
    faults: tuple[LineFault, ...] = ()
    ended_at: datetime | None = None

    @property
    def free_at(self) -> datetime:
        """When a worker can take it: it is due, and the lease on it has ended."""
        return self.next_due_at if self.lease.until is None else max(self.next_due_at, self.lease.until)

    @property
    def waits_to_be_sent(self) -> bool:
        """Whether it is not sent, and in no worker's hands."""
        return self.state in UNSENT and self.lease.owner is None

    def moved(self, event: BatchEvent) -> Self:
        """The batch after *event*; only rows of the table are possible."""
        return replace(self, state=next_status(TRANSITIONS, self.state, event))

    def seen(self, remote: RemoteBatch) -> Self:
        """The batch with what the provider shows of it now."""
        return replace(
            self,
            provider_batch_id=remote.provider_batch_id,
            provider_status=remote.provider_status,
            output_file_id=remote.output_file_id,
            error_file_id=remote.error_file_id,
            faults=remote.faults,
        )
