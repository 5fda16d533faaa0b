"""Poll: see whether the provider is done with a batch."""

from dataclasses import replace

from batchor_core.application.context import RunContext, batch_data
from batchor_core.application.leasing import defer, handed_back, hold, pause_for
from batchor_core.domain.batch import BatchEvent, BatchRecord
from batchor_core.domain.events import EventType
from batchor_core.errors import ProviderRefusedError, ProviderUnavailableError
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient


def poll(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> BatchRecord | None:
    """Ask for a SUBMITTED batch once; the batch when it has ended and can be collected, else None."""
    assert batch.provider_batch_id is not None  # noqa: S101  a submitted batch has one
    try:
        with around("poll.get"):
            remote = client.get(batch.provider_batch_id)
    except ProviderUnavailableError as error:
        defer(ctx, batch, error)
        return None
    except ProviderRefusedError as error:
        pause_for(ctx, batch, error)
        return None
    with around("poll.record"), ctx.store.transaction() as uow:
        now = ctx.now()
        seen = replace(hold(ctx, uow, batch).seen(remote), failures=0)
        if remote.ended:
            seen = replace(seen.moved(BatchEvent.END), ended_at=now)
        else:
            seen = handed_back(seen, due_at=now + ctx.poll_interval)
        uow.batches.save(seen)
    ctx.emit(ctx.event(EventType.BATCH_ENDED if remote.ended else EventType.BATCH_POLLED, batch_data(seen)))
    return seen if remote.ended else None
