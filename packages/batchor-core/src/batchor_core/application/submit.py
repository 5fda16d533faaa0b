"""Submit: an intent becomes a batch at the provider."""

from dataclasses import replace

from batchor_core.application.context import RunContext, batch_data
from batchor_core.application.input_file import input_file
from batchor_core.application.leasing import defer, handed_back, hold, pause_for
from batchor_core.domain.batch import BatchEvent, BatchRecord, RemoteBatch
from batchor_core.domain.events import EventType
from batchor_core.domain.item import ItemEvent, ItemStatus
from batchor_core.errors import ProviderRefusedError, ProviderThrottledError, ProviderUnavailableError
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient

KEY_IN_METADATA = "batchor_batch_key"
RUN_IN_METADATA = "batchor_run_id"
MAX_SENDS = 5
"""After so many refusals in a row to create from an upload (the provider may have lost it), it is uploaded anew."""


def upload(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> None:
    """Upload the input file of a PREPARED batch, and go on to create it.

    A crash leaves at most an uploaded file that nothing uses; the upload is simply done again.
    """
    try:
        with input_file(ctx, batch) as content, around("submit.upload"):
            file_id = client.upload(content, name=f"{ctx.tag}-{batch.batch_key}.jsonl")
    except ProviderUnavailableError as error:
        return defer(ctx, batch, error)
    except ProviderRefusedError as error:
        return pause_for(ctx, batch, error)
    with around("submit.record_upload"), ctx.store.transaction() as uow:
        uploaded = replace(hold(ctx, uow, batch).moved(BatchEvent.UPLOAD), input_file_id=file_id, failures=0)
        uow.batches.save(uploaded)
    return create(ctx, uploaded, client)


def create(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> None:
    """Create an UPLOADED batch, by one request.

    That the request may be on its way is durable before it is made. A crash or an unclear answer after
    that leaves a question (CREATING) that `recover` answers; never a lost or a doubled batch.
    """
    with around("submit.record_send"), ctx.store.transaction() as uow:
        # The lease is proved here, right before the one call that must not be made twice.
        sent = replace(hold(ctx, uow, batch).moved(BatchEvent.SEND), sent_at=ctx.now())
        uow.batches.save(sent)
    assert sent.input_file_id is not None  # noqa: S101  an uploaded batch has one
    try:
        with around("submit.create"):
            remote = client.create(input_file_id=sent.input_file_id, metadata=_metadata(ctx, sent))
    except ProviderThrottledError as error:
        return defer(ctx, _refused(ctx, sent), error)
    except ProviderUnavailableError:
        return _leave_to_recovery(ctx, sent)
    except ProviderRefusedError as error:
        return pause_for(ctx, _refused(ctx, sent), error)
    return acknowledge(ctx, sent, remote, event_type=EventType.BATCH_SUBMITTED)


def acknowledge(ctx: RunContext, batch: BatchRecord, remote: RemoteBatch, *, event_type: EventType) -> None:
    """Record the provider's batch as this one: from here on its requests are submitted."""
    with around("submit.record_batch"), ctx.store.transaction() as uow:
        now = ctx.now()
        submitted = hold(ctx, uow, batch).moved(BatchEvent.ACKNOWLEDGE).seen(remote)
        submitted = handed_back(submitted, due_at=now if remote.ended else now + ctx.until_next_look())
        uow.batches.save(submitted)
        run = uow.runs.lock(ctx.run_id)
        counts = run.counts.move(ItemStatus.QUEUED_LOCAL, ItemEvent.SUBMIT, number=batch.request_count)
        uow.runs.save(replace(run, counts=counts, batches=run.batches + 1))
        event = ctx.event(event_type, batch_data(submitted))
        uow.events.append([event])
    ctx.emit(event)


def _metadata(ctx: RunContext, batch: BatchRecord) -> dict[str, str]:
    return {**ctx.job.batch_metadata, RUN_IN_METADATA: ctx.run_id, KEY_IN_METADATA: batch.batch_key}


def _refused(ctx: RunContext, batch: BatchRecord) -> BatchRecord:
    """The batch after a definite no: nothing was created, so it may be sent again."""
    with around("submit.record_refusal"), ctx.store.transaction() as uow:
        refused = hold(ctx, uow, batch).moved(BatchEvent.REFUSE)
        uow.batches.save(refused)
    return refused


def _leave_to_recovery(ctx: RunContext, batch: BatchRecord) -> None:
    """Hand the batch back as it is, in CREATING and due at once: recovery looks for it."""
    with around("submit.leave_to_recovery"), ctx.store.transaction() as uow:
        uow.batches.save(handed_back(hold(ctx, uow, batch), due_at=ctx.now()))
