"""Audit: whether the counters are what the facts give, and whether the provider has batches that we don't know."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched

from batchor_core.application.context import RunContext, Services
from batchor_core.application.submit import RUN_IN_METADATA
from batchor_core.domain.events import EventType
from batchor_core.domain.item import StatusCounts
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient

_IDS_A_QUERY = 100


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit of one run found."""

    run_id: str
    counted: StatusCounts
    """The run's counters."""
    recounted: StatusCounts
    """What the stored facts give."""
    unknown_batches: tuple[str, ...] = ()
    """The provider's ids of batches that carry this run's name and that the state does not know."""
    provider_was_asked: bool = False

    @property
    def is_clean(self) -> bool:
        return self.counted == self.recounted and not self.unknown_batches


def audit_state(services: Services, run_id: str) -> AuditReport:
    """Compare counters and facts, by a scan of the run's items."""
    with services.store.reading() as uow:
        return AuditReport(run_id, uow.runs.get(run_id).counts, uow.items.recount(run_id))


def report_unknown_batches(ctx: RunContext, client: BatchClient) -> tuple[str, ...]:
    """The provider's ids of this run's batches that the state does not know; an event tells of them."""
    with ctx.store.reading() as uow:
        since = uow.runs.get(ctx.run_id).created_at - ctx.services.recovery.listing_margin
    with around("audit.find"):
        ours = (
            remote.provider_batch_id
            for remote in client.find(since=since)
            if remote.metadata.get(RUN_IN_METADATA) == ctx.run_id
        )
        unknown = tuple(_unknown(ctx, ours))
    if unknown:
        event = ctx.event(EventType.UNKNOWN_BATCHES, {"provider_batch_ids": list(unknown)})
        with around("audit.record"), ctx.store.transaction() as uow:
            uow.events.append([event])
        ctx.emit(event)
    return unknown


def _unknown(ctx: RunContext, provider_batch_ids: Iterator[str]) -> Iterator[str]:
    for ids in batched(provider_batch_ids, _IDS_A_QUERY):
        with ctx.store.reading() as uow:
            known = uow.batches.known(ctx.run_id, ids)
        yield from (provider_batch_id for provider_batch_id in ids if provider_batch_id not in known)
