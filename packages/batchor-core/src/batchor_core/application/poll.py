"""Poll: see whether the provider is done with a batch."""

from dataclasses import replace

from batchor_core.application.capacity import release_capacity
from batchor_core.application.context import RunContext, batch_data
from batchor_core.application.leasing import defer, handed_back, hold, pause_for
from batchor_core.domain.batch import BatchEvent, BatchRecord, RemoteBatch
from batchor_core.domain.events import EventType, RunEvent
from batchor_core.errors import ProviderRefusedError, ProviderUnavailableError
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient

OVERDUE_WINDOWS = 1.25
"""A batch that is older than so many completion windows is cancelled, so that what is done of it can be fetched."""


def poll(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> BatchRecord | None:
    """Ask for a SUBMITTED batch once; the batch when it has ended and can be collected, else None."""
    try:
        remote = _see(ctx, batch, client)
    except ProviderUnavailableError as error:
        defer(ctx, batch, error)
        return None
    except ProviderRefusedError as error:
        pause_for(ctx, batch, error)
        return None
    with around("poll.record"), ctx.store.transaction() as uow:
        now = ctx.now()
        seen = replace(hold(ctx, uow, batch).seen(remote), failures=0)
        events: list[RunEvent] = []
        if remote.ended:
            seen = replace(seen.moved(BatchEvent.END), ended_at=now)
            events = release_capacity(ctx, uow, seen)
            seen = replace(seen, reserved_tokens=0)
        else:
            seen = handed_back(seen, due_at=now + ctx.until_next_look())
        uow.batches.save(seen)
        uow.events.append(events)
    kind = EventType.BATCH_ENDED if remote.ended else EventType.BATCH_POLLED
    ctx.emit(ctx.event(kind, batch_data(seen)), *events)
    return seen if remote.ended else None


def _see(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> RemoteBatch:
    """The batch as the provider shows it, asked to be cancelled where the run or its age wants that."""
    assert batch.provider_batch_id is not None  # noqa: S101  a submitted batch has one
    with around("poll.get"):
        remote = client.get(batch.provider_batch_id)
    if remote.ended or batch.cancel_asked_at is not None or not _to_be_cancelled(ctx, batch):
        return remote
    with around("poll.cancel"):
        remote = client.cancel(batch.provider_batch_id)
    with around("poll.record_cancel"), ctx.store.transaction() as uow:
        uow.batches.save(replace(hold(ctx, uow, batch), cancel_asked_at=ctx.now()))
    return remote


def _to_be_cancelled(ctx: RunContext, batch: BatchRecord) -> bool:
    with ctx.store.reading() as uow:
        cancelling = uow.runs.get(ctx.run_id).is_cancelling
    overdue = ctx.now() > (batch.sent_at or batch.created_at) + ctx.completion_window * OVERDUE_WINDOWS
    if overdue and not cancelling:
        ctx.emit(ctx.event(EventType.BATCH_OVERDUE, batch_data(batch)))
    return cancelling or overdue
