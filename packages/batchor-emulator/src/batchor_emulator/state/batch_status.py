"""The states of a batch, in OpenAI's words, and what leads from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class BatchStatus(StrEnum):
    """Where a batch stands."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class BatchEvent(StrEnum):
    """What happens to a batch."""

    ACCEPT = "accept"
    REJECT = "reject"
    RUN_OUT = "run_out"
    EXPIRE = "expire"
    CANCEL = "cancel"
    PUBLISH = "publish"


S = BatchStatus
E = BatchEvent

# fmt: off
TRANSITIONS: Mapping[tuple[BatchStatus, BatchEvent], BatchStatus] = {
    # from           event       to
    (S.VALIDATING,   E.ACCEPT):  S.IN_PROGRESS,
    (S.VALIDATING,   E.REJECT):  S.FAILED,
    (S.VALIDATING,   E.CANCEL):  S.CANCELLING,
    (S.IN_PROGRESS,  E.RUN_OUT): S.FINALIZING,
    (S.IN_PROGRESS,  E.EXPIRE):  S.EXPIRED,
    (S.IN_PROGRESS,  E.CANCEL):  S.CANCELLING,
    (S.FINALIZING,   E.PUBLISH): S.COMPLETED,
    (S.CANCELLING,   E.PUBLISH): S.CANCELLED,
}
# fmt: on
TERMINAL = frozenset(S) - {status for status, _ in TRANSITIONS}


def next_status(status: BatchStatus, event: BatchEvent) -> BatchStatus | None:
    """Where *event* leads from *status*; None when it can't happen there."""
    return TRANSITIONS.get((status, event))
