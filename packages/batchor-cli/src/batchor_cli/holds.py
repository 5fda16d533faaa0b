"""Who holds what of a run, and until when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from batchor import RunSnapshot
from batchor_core.domain.lease import Lease


@dataclass(frozen=True, slots=True)
class Hold:
    """Something of a run that one worker has in its hands."""

    what: str
    """`input`, or `batch` with its number and state."""
    worker: str
    until: datetime
    """Then another may take it over, unless it is renewed."""
    fence: int
    """How often it has changed hands."""
    expired: bool


def holds_of(snapshot: RunSnapshot, *, now: datetime) -> list[Hold]:
    """What workers hold, or held until they died; the input first, then batches, oldest first."""
    return [_hold(what, lease, now) for what, lease in _leases(snapshot) if lease.owner is not None]


def _leases(snapshot: RunSnapshot) -> Iterator[tuple[str, Lease]]:
    yield "input", snapshot.ingest_lease
    for batch in snapshot.open_batches:
        yield f"batch {batch.batch_id} ({batch.state})", batch.lease


def _hold(what: str, lease: Lease, now: datetime) -> Hold:
    assert lease.owner is not None  # noqa: S101  asked by the caller
    return Hold(what, lease.owner, lease.until or now, lease.fence, expired=lease.is_free(now))
