"""Cancel: end a run early. What is finished is kept; every other item ends as `run_cancelled`.

Each step is small, durable and repeatable: any process may carry the cancellation on.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from batchor_core.application.capacity import release_capacity
from batchor_core.application.context import RunContext, Services, batch_data
from batchor_core.application.leasing import handed_back, hold
from batchor_core.application.reject import rejections
from batchor_core.domain.batch import BatchEvent, BatchRecord
from batchor_core.domain.events import EventType
from batchor_core.domain.item import ItemEvent, ItemStatus
from batchor_core.domain.results import ErrorClass, ItemFailure
from batchor_core.domain.run import ControlEvent, RunRecord
from batchor_core.failpoints import around
from batchor_core.ports.state import UnitOfWork

_SLICE_ITEMS = 5_000
_EVER = datetime.max.replace(tzinfo=UTC)
_FAILURE = ItemFailure(ErrorClass.RUN_CANCELLED, "the run was cancelled before this item was sent")


def request_cancel(services: Services, run_id: str) -> None:
    """Ask for the end of a run; `wait` or `refresh` in any process carries it out. A finished run is left as it is.

    Nothing more is read: who is ingesting loses the lease. Batches that nobody works on are due at once.
    """
    with around("control.cancel"), services.store.transaction() as uow:
        run = uow.runs.lock(run_id)
        if run.is_finished or run.is_cancelling:
            return
        now = services.now()
        lease = run.ingest.lease.taken(services.owner, now=now, ttl=services.lease_ttl).released()
        run = replace(run, ingest=replace(run.ingest, complete=True, lease=lease))
        event = services.event(run_id, EventType.RUN_CANCELLED)
        uow.runs.save(run.controlled(ControlEvent.CANCEL, reason="by_request"))
        uow.events.append([event])
    _hurry_batches(services, run_id)
    services.emit(event)


def end_unsent_items(ctx: RunContext) -> int:
    """End a slice of the items that no batch holds; how many."""
    with around("cancel.end_items"), ctx.store.transaction() as uow:
        run = uow.runs.lock(ctx.run_id)
        fresh = uow.items.requests(ctx.run_id, first=run.submit_cursor, limit=_SLICE_ITEMS)
        waiting = uow.retries.due(ctx.run_id, now=_EVER, limit=_SLICE_ITEMS - len(fresh))
        counts = run.counts.move(ItemStatus.PENDING, ItemEvent.CANCEL, number=len(fresh))
        counts = counts.move(ItemStatus.FAILED_RETRYABLE, ItemEvent.CANCEL, number=len(waiting))
        run = replace(
            run,
            counts=counts,
            submit_cursor=fresh[-1].item_index + 1 if fresh else run.submit_cursor,
            pending_bytes=run.pending_bytes - sum(ref.length for ref in fresh),
            pending_tokens=run.pending_tokens - sum(ref.tokens for ref in fresh),
        )
        indexes = [ref.item_index for ref in waiting]
        uow.retries.drop(ctx.run_id, indexes)
        _end(ctx, uow, run, [*(ref.item_index for ref in fresh), *indexes])
    return len(fresh) + len(waiting)


def give_up(ctx: RunContext, batch: BatchRecord) -> None:
    """End the items of a batch that was never sent (PREPARED or UPLOADED), and the batch with them."""
    with around("cancel.give_up"), ctx.store.transaction() as uow:
        held = hold(ctx, uow, batch)
        indexes = [member.item_index for member in uow.items.holding(held).members()]
        given_up = replace(handed_back(held.moved(BatchEvent.ABANDON), due_at=ctx.now()), reserved_tokens=0)
        uow.batches.save(given_up)
        run = uow.runs.lock(ctx.run_id)
        release_capacity(ctx, uow, held)
        uow.retries.drop(ctx.run_id, indexes)
        counts = run.counts.move(ItemStatus.QUEUED_LOCAL, ItemEvent.RELEASE, ItemEvent.CANCEL, number=len(indexes))
        _end(ctx, uow, replace(run, counts=counts), indexes)
        event = ctx.event(EventType.BATCH_ABANDONED, batch_data(given_up))
        uow.events.append([event])
    ctx.emit(event)


def _end(ctx: RunContext, uow: UnitOfWork, run: RunRecord, indexes: Sequence[int]) -> None:
    """Append the results of cancelled items, which *run* counts already, and finish the run when they were the last."""
    failures = [(index, _FAILURE) for index in sorted(indexes)]
    uow.results.append(ctx.run_id, rejections(failures, after=run.result_sequence))
    run, events = ctx.finish_if_done(replace(run, result_sequence=run.result_sequence + len(failures)))
    uow.runs.save(run)
    uow.events.append(events)


def _hurry_batches(services: Services, run_id: str) -> None:
    with around("control.hurry"), services.store.transaction() as uow:
        now = services.now()
        for batch in uow.batches.open_batches(run_id):
            if batch.lease.is_free(now):
                uow.batches.save(replace(batch, next_due_at=min(batch.next_due_at, now)))
