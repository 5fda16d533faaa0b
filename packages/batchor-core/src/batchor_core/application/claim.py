"""Claim: the requests of the next batch become an intent, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from batchor_core.application.context import RunContext, batch_data
from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.capacity import CapacityRecord
from batchor_core.domain.chunking import Chunk, ChunkLimits, Extent, RequestRef, extent_of, plan_chunk
from batchor_core.domain.events import EventType
from batchor_core.domain.item import ItemEvent, ItemStatus
from batchor_core.domain.lease import Lease
from batchor_core.domain.run import RunRecord
from batchor_core.failpoints import around
from batchor_core.ports.state import UnitOfWork


@dataclass(frozen=True, slots=True)
class _Claim:
    """The requests of one intent: retries first, then fresh items."""

    retries: Sequence[RequestRef]
    fresh: Extent
    capacity: CapacityRecord
    """The locked record of the scope, before the claim."""

    @property
    def requests(self) -> int:
        return len(self.retries) + self.fresh.requests

    @property
    def request_bytes(self) -> int:
        return sum(ref.length for ref in self.retries) + self.fresh.request_bytes

    @property
    def tokens(self) -> int:
        return sum(ref.tokens for ref in self.retries) + self.fresh.tokens


def claim_next(ctx: RunContext) -> BatchRecord | None:
    """Claim the next batch and store its intent, leased to this worker; None when nothing is to be sent now.

    A batch is claimed when it is full, or when no more rows will come to fill it. Retries ride with
    it; on their own they wait until nothing is left to ride with.
    """
    with around("submit.claim"), ctx.store.transaction() as uow:
        run = uow.runs.lock(ctx.run_id)
        claim = _choose(ctx, uow, run)
        if claim is None:
            return None
        batch = uow.batches.add(_intent(ctx, run, claim))
        uow.capacity.save(claim.capacity.reserving(batch.reserved_tokens))
        uow.retries.bind(ctx.run_id, [ref.item_index for ref in claim.retries], batch_id=batch.batch_id)
        uow.runs.save(_claimed(run, claim, cursor=batch.last))
    ctx.emit(ctx.event(EventType.BATCH_PREPARED, batch_data(batch)))
    return batch


def chunk_limits(ctx: RunContext) -> ChunkLimits:
    """The bounds of one batch of this run."""
    policy = ctx.job.chunk_policy
    max_tokens = None if ctx.enqueue_limits is None else ctx.enqueue_limits.max_batch_tokens
    return ChunkLimits(policy.max_requests, policy.max_batch_bytes, max_tokens)


def new_intent_key(ctx: RunContext) -> str:
    return f"{ctx.services.rng.getrandbits(128):032x}"


def claim_due_at(
    ctx: RunContext, run: RunRecord, *, oldest_retry: datetime | None, blocked_until: datetime | None
) -> datetime | None:
    """When the next batch of *run* can be claimed, the past for at once; None: not before something else happens.

    *oldest_retry*: when the first waiting retry is due. Retries ride with fresh items. On their own they wait for
    those that open batches may yet add, but for one backoff at most. *blocked_until*: when the provider's queue
    is tried again.
    """
    due_at = _wanted_at(ctx, run, oldest_retry=oldest_retry)
    return due_at if due_at is None or blocked_until is None else max(due_at, blocked_until)


def _wanted_at(ctx: RunContext, run: RunRecord, *, oldest_retry: datetime | None) -> datetime | None:
    if not run.is_running:
        return None
    if _has_fresh_batch(ctx, run):
        return run.created_at
    if oldest_retry is None or not run.ingest.complete:
        return None
    others_may_come = run.counts.queued_local + run.counts.submitted > 0
    patience_s = ctx.job.retry_policy.base_backoff_s if others_may_come else 0.0
    return oldest_retry + timedelta(seconds=patience_s)


def _has_fresh_batch(ctx: RunContext, run: RunRecord) -> bool:
    """Whether never-claimed items fill a batch, or are the last ones."""
    limits = chunk_limits(ctx)
    return run.counts.pending > 0 and (
        run.ingest.complete
        or run.counts.pending >= limits.max_requests
        or run.pending_bytes >= limits.max_bytes
        or (limits.max_tokens is not None and run.pending_tokens >= limits.max_tokens)
    )


def _choose(ctx: RunContext, uow: UnitOfWork, run: RunRecord) -> _Claim | None:
    capacity = uow.capacity.lock(ctx.quota_scope)
    now = ctx.now()
    oldest_retry = uow.retries.next_due(ctx.run_id)
    due_at = claim_due_at(ctx, run, oldest_retry=oldest_retry, blocked_until=capacity.blocked_until)
    if due_at is None or due_at > now:
        return None
    limits, room = chunk_limits(ctx), capacity.room(ctx.enqueue_limits)
    retries = uow.retries.due(ctx.run_id, now=now, limit=limits.max_requests)
    wanted = limits.max_requests + 1 - len(retries) if _has_fresh_batch(ctx, run) else 0
    if wanted and not retries:
        # As a rule all that a batch may hold fits, and no row has to be looked at.
        extent = uow.items.extent(ctx.run_id, first=run.submit_cursor, limit=limits.max_requests)
        if extent.requests and _within(limits, room).hold(extent):
            return _Claim((), extent, capacity)
    fresh = uow.items.requests(ctx.run_id, first=run.submit_cursor, limit=wanted) if wanted else ()
    chunk = _plan([*retries, *fresh], limits, capacity, room=room)
    if chunk is None or not chunk.requests:
        return None
    number_of_retries = min(len(retries), len(chunk.requests))
    taken = extent_of(chunk.requests[number_of_retries:], first=run.submit_cursor)
    return _Claim(chunk.requests[:number_of_retries], taken, capacity)


def _plan(
    requests: Sequence[RequestRef], limits: ChunkLimits, capacity: CapacityRecord, *, room: int | None
) -> Chunk | None:
    """The next batch within the tokens that are free in the scope; None when it is better to wait for more of them."""
    chunk = plan_chunk(requests, limits)
    if room is None or chunk.tokens <= room:
        return chunk
    smaller = plan_chunk(requests, _within(limits, room))
    if not capacity.reserved:
        return smaller  # also when it is one request over the whole budget, which could otherwise never be sent
    # Not a sliver in each gap that opens: the number of batches an hour is limited too.
    return smaller if chunk.tokens / 2 <= smaller.tokens <= room else None


def _within(limits: ChunkLimits, room: int | None) -> ChunkLimits:
    if room is None:
        return limits
    return replace(limits, max_tokens=room if limits.max_tokens is None else min(limits.max_tokens, room))


def _intent(ctx: RunContext, run: RunRecord, claim: _Claim) -> BatchRecord:
    now = ctx.now()
    return BatchRecord(
        batch_id=0,
        run_id=ctx.run_id,
        batch_key=new_intent_key(ctx),
        first=run.submit_cursor,
        last=claim.fresh.end_index,
        request_count=claim.requests,
        request_bytes=claim.request_bytes,
        reserved_tokens=claim.tokens,
        created_at=now,
        next_due_at=now,
        lease=Lease().taken(ctx.services.owner, now=now, ttl=ctx.services.lease_ttl),
    )


def _claimed(run: RunRecord, claim: _Claim, *, cursor: int) -> RunRecord:
    counts = run.counts.move(ItemStatus.PENDING, ItemEvent.CLAIM, number=claim.fresh.requests)
    counts = counts.move(ItemStatus.FAILED_RETRYABLE, ItemEvent.REQUEUE, ItemEvent.CLAIM, number=len(claim.retries))
    return replace(
        run,
        counts=counts,
        submit_cursor=cursor,
        pending_bytes=run.pending_bytes - claim.fresh.request_bytes,
        pending_tokens=run.pending_tokens - claim.fresh.tokens,
    )
