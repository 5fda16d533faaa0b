"""Recover: whether a create call of unknown outcome made a batch, and at most one.

For a batch in CREATING (the answer was unclear, or its worker died): look for it, and adopt what is
found. When nothing is found, fence it: delete the input file, so that a request that still lurks
somewhere can only fail; then keep looking for as long as the listing may lag. Only then is it
abandoned and its requests are claimed again, under a new key and with a new upload.
"""

from dataclasses import replace
from datetime import datetime

from batchor_core.application.claim import new_intent_key
from batchor_core.application.context import RunContext, batch_data
from batchor_core.application.leasing import defer, handed_back, hold, pause_for
from batchor_core.application.submit import KEY_IN_METADATA, acknowledge
from batchor_core.domain.batch import BatchEvent, BatchRecord, BatchState, RemoteBatch
from batchor_core.domain.events import EventType
from batchor_core.domain.lease import Lease
from batchor_core.errors import ProviderRefusedError, ProviderUnavailableError, RefusalConsequence
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient


def recover(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> None:
    """One look for a batch in CREATING or FENCING, and what follows from it."""
    try:
        found = _look(ctx, batch, client)
        if found:
            _adopt(ctx, batch, found, client)
        elif batch.state is BatchState.CREATING:
            _fence(ctx, batch, client)
        else:
            _look_again_or_abandon(ctx, batch)
    except ProviderUnavailableError as error:
        defer(ctx, batch, error)
    except ProviderRefusedError as error:
        pause_for(ctx, batch, error)


def _look(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> list[RemoteBatch]:
    """The provider's batches that are this one, the oldest first."""
    sent_at = batch.sent_at or batch.created_at
    with around("recover.find"):
        found = [
            remote
            for remote in client.find(since=sent_at - ctx.services.recovery.listing_margin)
            if _is_of(remote, batch)
        ]
    return sorted(found, key=lambda remote: remote.created_at or sent_at)


def _is_of(remote: RemoteBatch, batch: BatchRecord) -> bool:
    return remote.metadata.get(KEY_IN_METADATA) == batch.batch_key or (
        remote.input_file_id is not None and remote.input_file_id == batch.input_file_id
    )


def _adopt(ctx: RunContext, batch: BatchRecord, found: list[RemoteBatch], client: BatchClient) -> None:
    kept, *doubles = found
    for double in doubles:
        with around("recover.cancel_double"):
            client.cancel(double.provider_batch_id)
        data = {"kept": kept.provider_batch_id, "cancelled": double.provider_batch_id}
        ctx.emit(ctx.event(EventType.DUPLICATE_BATCH_CANCELLED, data))
    acknowledge(ctx, batch, kept, event_type=EventType.BATCH_ADOPTED)


def _fence(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> None:
    assert batch.input_file_id is not None  # noqa: S101  a batch that was sent has one
    with around("recover.record_fencing"), ctx.store.transaction() as uow:
        # Before the file goes: a batch that is found later and failed for want of it is then nobody's fault.
        uow.batches.save(replace(hold(ctx, uow, batch), fenced_at=ctx.now()))
    with around("recover.delete_input"):
        was_there = client.delete(batch.input_file_id)
    if not was_there and batch.fenced_at is None:
        # Not our doing: nothing was deleted before. What cannot be seen may have become a batch that cannot be seen either.
        return pause_for(ctx, batch, _lost_upload(batch.input_file_id))
    with around("recover.record_fence"), ctx.store.transaction() as uow:
        now = ctx.now()
        fenced = replace(hold(ctx, uow, batch).moved(BatchEvent.FENCE), fenced_at=now, looks=0)
        uow.batches.save(handed_back(fenced, due_at=_next_look(ctx, now, looks=0)))
    return None


def _lost_upload(file_id: str) -> ProviderRefusedError:
    return ProviderRefusedError(
        f"a batch may have been created of file {file_id}, which the provider does not know now: the key is one of another "
        "project, or the file was deleted. Resume the run with the right key; if it was the right one, the run then "
        "goes on and sends these requests anew",
        consequence=RefusalConsequence.NOT_FOUND,
    )


def _next_look(ctx: RunContext, fenced_at: datetime, *, looks: int) -> datetime:
    """Looks are spread over the quarantine; the last of them falls on its end."""
    policy = ctx.services.recovery
    return fenced_at + policy.quarantine * min((looks + 1) / policy.min_looks, 1.0)


def _look_again_or_abandon(ctx: RunContext, batch: BatchRecord) -> None:
    assert batch.fenced_at is not None  # noqa: S101  a batch in FENCING has one
    policy = ctx.services.recovery
    looks = batch.looks + 1
    if looks >= policy.min_looks and ctx.now() >= batch.fenced_at + policy.quarantine:
        return abandon(ctx, batch)
    with around("recover.record_look"), ctx.store.transaction() as uow:
        looked = replace(hold(ctx, uow, batch), looks=looks)
        uow.batches.save(handed_back(looked, due_at=_next_look(ctx, batch.fenced_at, looks=looks)))
    return None


def abandon(ctx: RunContext, batch: BatchRecord) -> None:
    """Give the batch up and claim its requests again, in one transaction: they are never without a holder."""
    with around("recover.abandon"), ctx.store.transaction() as uow:
        held = hold(ctx, uow, batch)
        successor = uow.batches.add(_successor(ctx, held))
        # What was reserved goes over to the successor.
        abandoned = replace(handed_back(held.moved(BatchEvent.ABANDON), due_at=ctx.now()), reserved_tokens=0)
        uow.batches.save(abandoned)
        uow.retries.rebind(from_batch=abandoned, to_batch=successor)
        data = {**batch_data(abandoned), "successor_batch_id": successor.batch_id}
        event = ctx.event(EventType.BATCH_ABANDONED, data)
        uow.events.append([event])
    ctx.emit(event)


def _successor(ctx: RunContext, batch: BatchRecord) -> BatchRecord:
    now = ctx.now()
    return BatchRecord(
        batch_id=0,
        run_id=batch.run_id,
        batch_key=new_intent_key(ctx),
        first=batch.first,
        last=batch.last,
        request_count=batch.request_count,
        request_bytes=batch.request_bytes,
        reserved_tokens=batch.reserved_tokens,
        created_at=now,
        next_due_at=now,
        lease=Lease(),
    )
