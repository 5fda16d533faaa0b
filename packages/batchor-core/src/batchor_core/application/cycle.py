"""One cycle of a run: ingest a slice, claim what is ready, and take every batch that is due a step further."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from batchor_core.application.audit import report_unknown_batches
from batchor_core.application.cancel import end_unsent_items, give_up
from batchor_core.application.claim import claim_due_at, claim_next
from batchor_core.application.collect import collect
from batchor_core.application.context import RunContext, logger
from batchor_core.application.ingest import Ingestion, IngestStep
from batchor_core.application.leasing import hold, kept_alive
from batchor_core.application.output_lines import LineReader
from batchor_core.application.poll import poll
from batchor_core.application.recover import abandon, recover
from batchor_core.application.submit import MAX_SENDS, create, upload
from batchor_core.domain.batch import BatchRecord, BatchState
from batchor_core.domain.run import RunRecord
from batchor_core.errors import ArtifactError, LeaseLostError, ProviderError
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient, BatchProvider


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What a cycle found and did."""

    run: RunRecord
    """As it is after the cycle."""
    ingested: int = 0
    claimed: int = 0
    stepped: int = 0
    """Batches that were taken a step further."""
    next_due_at: datetime | None = None
    """When something is to be done next; None: nothing, or at once."""

    @property
    def made_progress(self) -> bool:
        return self.ingested + self.claimed + self.stepped > 0


class Cycle:
    """Drives one run from this process; each step is durable, so that any number of processes may do so."""

    def __init__(
        self, ctx: RunContext, *, provider: BatchProvider, reader: LineReader, ingestion: Ingestion | None
    ) -> None:
        self._ctx = ctx
        self._provider = provider
        self._reader = reader
        self._ingestion = ingestion

    def run_once(self) -> CycleReport:
        """One cycle. A paused or finished run is left alone, and an idle one costs a read."""
        agenda = self._look_up()
        if agenda.run.is_cancelling:
            return self._cancel_once(agenda)
        if not agenda.run.is_running:
            return CycleReport(agenda.run)
        ingested = self._ingest()
        if ingested.ingested or ingested.complete:
            agenda = self._look_up()
        now = self._ctx.now()
        due = self._lease_due() if _is_due(agenda.batch_due_at, now) else []
        claimed = (
            self._claim(room=self._ctx.services.concurrency - len(due)) if _is_due(agenda.claim_due_at, now) else []
        )
        self._step_all([*due, *claimed])
        if due or claimed:
            agenda = self._look_up()
        elif _is_due(agenda.claim_due_at, now):
            # The budget is full: others have to give back first.
            agenda = replace(agenda, claim_due_at=now + self._ctx.poll_interval)
        self._audit_if_finished(agenda.run)
        return CycleReport(
            agenda.run,
            ingested=ingested.ingested,
            claimed=len(claimed),
            stepped=len(due),
            next_due_at=agenda.next_due_at(ingested.held_until),
        )

    def ingest_once(self) -> CycleReport:
        """Ingest a slice, and send nothing: that is left to others. Needs no key."""
        run = self._look_up().run
        if not run.is_running:
            return CycleReport(run)
        step = self._ingest()
        return CycleReport(self._look_up().run, ingested=step.ingested, next_due_at=step.held_until)

    def _cancel_once(self, agenda: "_Agenda") -> CycleReport:
        """One cycle of a run that is being cancelled: end what is not sent, cancel and collect what is."""
        if self._ingestion is not None:
            self._ingestion.close()
            self._ingestion = None
        ended = end_unsent_items(self._ctx)
        due = self._lease_due() if _is_due(agenda.batch_due_at, self._ctx.now()) else []
        self._step_all(due, cancelling=True)
        agenda = self._look_up()
        self._audit_if_finished(agenda.run)
        return CycleReport(agenda.run, claimed=ended, stepped=len(due), next_due_at=agenda.batch_due_at)

    def _audit_if_finished(self, run: RunRecord) -> None:
        """Look once, at the end, whether the provider has batches of this run that we don't know."""
        if not run.is_finished:
            return
        try:
            report_unknown_batches(self._ctx, self._client)
        except ProviderError as error:
            logger.warning("the audit of run %s was not possible: %s", run.run_id, error)

    def unknown_batches(self) -> tuple[str, ...]:
        """The provider's ids of this run's batches that the state does not know."""
        return report_unknown_batches(self._ctx, self._client)

    @property
    def _client(self) -> BatchClient:
        return self._provider.client

    def close(self) -> None:
        """Give back what this process holds; the run goes on wherever it is driven next."""
        if self._ingestion is not None:
            self._ingestion.close()

    def _look_up(self) -> "_Agenda":
        ctx = self._ctx
        with ctx.store.reading() as uow:
            run = uow.runs.get(ctx.run_id)
            outlook = uow.batches.outlook(ctx.run_id)
            oldest_retry = uow.retries.next_due(ctx.run_id) if run.counts.failed_retryable else None
            blocked_until = uow.capacity.get(ctx.quota_scope).blocked_until
        if outlook.waiting_to_be_sent >= ctx.services.concurrency:
            # While uploads fail, intents don't pile up; those that a worker has in its hands are another matter.
            return _Agenda(run, outlook.due_at, None)
        claimable_at = claim_due_at(ctx, run, oldest_retry=oldest_retry, blocked_until=blocked_until)
        return _Agenda(run, outlook.due_at, claimable_at)

    def _ingest(self) -> IngestStep:
        if self._ingestion is None:
            return IngestStep()
        try:
            step = self._ingestion.step()
        except LeaseLostError as error:
            logger.info("%s", error)
            return IngestStep()
        if step.complete:
            self._ingestion = None
        return step

    def _lease_due(self) -> list[BatchRecord]:
        ctx = self._ctx
        with around("cycle.lease_due"), ctx.store.transaction() as uow:
            return list(
                uow.batches.lease_due(
                    run_id=ctx.run_id,
                    owner=ctx.services.owner,
                    now=ctx.now(),
                    ttl=ctx.services.lease_ttl,
                    limit=ctx.services.concurrency,
                )
            )

    def _claim(self, *, room: int) -> list[BatchRecord]:
        claimed: list[BatchRecord] = []
        while len(claimed) < room and (batch := claim_next(self._ctx)) is not None:
            claimed.append(batch)
        return claimed

    def _step_all(self, batches: Sequence[BatchRecord], *, cancelling: bool = False) -> None:
        if len(batches) <= 1:
            for batch in batches:
                self._step(batch, cancelling=cancelling)
            return
        with ThreadPoolExecutor(len(batches), thread_name_prefix="batchor-batch") as pool:
            for future in [pool.submit(self._step, batch, cancelling=cancelling) for batch in batches]:
                future.result()

    def _step(self, batch: BatchRecord, *, cancelling: bool) -> None:
        try:
            with kept_alive(self._ctx, batch):
                self._advance(batch, cancelling=cancelling)
        except LeaseLostError as error:
            # Not ours any more: whoever has it goes on from what is stored.
            logger.info("%s", error)
        except ArtifactError as error:
            # Whoever took the batch over may have dropped its files, as the artifact policy says: no loss, then.
            if self._still_holds(batch):
                raise
            logger.info("%s", error)

    def _still_holds(self, batch: BatchRecord) -> bool:
        try:
            with around("cycle.prove_lease"), self._ctx.store.transaction() as uow:
                hold(self._ctx, uow, batch)
        except LeaseLostError:
            return False
        return True

    def _advance(self, batch: BatchRecord, *, cancelling: bool) -> None:
        ctx, client = self._ctx, self._client
        match batch.state:
            case BatchState.PREPARED | BatchState.UPLOADED if cancelling:
                give_up(ctx, batch)
            case BatchState.PREPARED:
                upload(ctx, batch, client)
            case BatchState.UPLOADED if batch.failures >= MAX_SENDS:
                abandon(ctx, batch)
            case BatchState.UPLOADED:
                create(ctx, batch, client)
            case BatchState.CREATING | BatchState.FENCING:
                recover(ctx, batch, client)
            case BatchState.SUBMITTED:
                ended = poll(ctx, batch, client)
                if ended is not None:
                    collect(ctx, ended, client, self._reader)
            case BatchState.ENDED:
                collect(ctx, batch, client, self._reader)
            case BatchState.COLLECTED | BatchState.ABANDONED:
                raise AssertionError(f"batch {batch.batch_id} is {batch.state} and was leased all the same")
            case _:
                assert_never(batch.state)


@dataclass(frozen=True, slots=True)
class _Agenda:
    """A run, and when there is something to do for it; None: not before something else happens."""

    run: RunRecord
    batch_due_at: datetime | None
    claim_due_at: datetime | None

    def next_due_at(self, held_until: datetime | None) -> datetime | None:
        moments = (self.batch_due_at, self.claim_due_at, held_until)
        return min([moment for moment in moments if moment is not None], default=None)


def _is_due(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
