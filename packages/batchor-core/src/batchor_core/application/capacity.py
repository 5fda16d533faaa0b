"""The budget of enqueued tokens, shared by all runs of a scope: reserved with the claim, released when a batch has ended."""

from batchor_core.application.context import RunContext
from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.events import EventType, RunEvent
from batchor_core.ports.state import UnitOfWork


def release_capacity(ctx: RunContext, uow: UnitOfWork, batch: BatchRecord) -> list[RunEvent]:
    """Give back what an ended or given-up batch reserved, and learn from how it ended.

    The caller sets the batch's `reserved_tokens` to 0 in the same transaction: so it is given back once.
    """
    before = uow.capacity.lock(ctx.quota_scope)
    after = before.releasing(batch.reserved_tokens)
    if any(fault.transient for fault in batch.faults):
        after = after.refused(ctx.now(), enqueued=before.reserved)
    elif batch.provider_batch_id is not None:
        after = after.accepted(ctx.enqueue_limits)
    uow.capacity.save(after)
    if (before.learned_limit, before.refusals) == (after.learned_limit, after.refusals):
        return []
    data = {"scope": after.scope, "learned_limit": after.learned_limit, "refusals": after.refusals}
    return [ctx.event(EventType.CAPACITY_CHANGED, data)]
