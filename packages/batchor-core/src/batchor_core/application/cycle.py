"""One cycle of a run: ingest a slice, claim what is ready, and take every batch that is due a step further."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from batchor_core.application.claim import claim_next
from batchor_core.application.collect import collect
from batchor_core.application.context import RunContext, logger
from batchor_core.application.ingest import Ingestion, IngestStep
from batchor_core.application.leasing import kept_alive
from batchor_core.application.output_lines import LineReader
from batchor_core.application.poll import poll
from batchor_core.application.recover import recover
from batchor_core.application.submit import create, upload
from batchor_core.domain.batch import BatchRecord, BatchState
from batchor_core.domain.run import RunRecord
from batchor_core.errors import LeaseLostError
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient


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
        self, ctx: RunContext, *, client: BatchClient, reader: LineReader, ingestion: Ingestion | None
    ) -> None:
        self._ctx = ctx
        self._client = client
        self._reader = reader
        self._ingestion = ingestion

    def run_once(self) -> CycleReport:
        """One cycle. A paused or finished run is left alone."""
        ctx = self._ctx
        run = self._read_run()
        if not run.is_running:
            return CycleReport(run)
        ingested = IngestStep() if self._ingestion is None else self._ingestion.step()
        due = self._lease_due()
        claimed = self._claim(room=ctx.services.concurrency - len(due))
        self._step_all([*due, *claimed])
        run = self._read_run()
        return CycleReport(
            run,
            ingested=ingested.ingested,
            claimed=len(claimed),
            stepped=len(due),
            next_due_at=self._next_due(ingested.held_until),
        )

    def close(self) -> None:
        """Give back what this process holds; the run goes on wherever it is driven next."""
        if self._ingestion is not None:
            self._ingestion.close()

    def _read_run(self) -> RunRecord:
        with self._ctx.store.reading() as uow:
            return uow.runs.get(self._ctx.run_id)

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

    def _step_all(self, batches: Sequence[BatchRecord]) -> None:
        if len(batches) <= 1:
            for batch in batches:
                self._step(batch)
            return
        with ThreadPoolExecutor(len(batches), thread_name_prefix="batchor-batch") as pool:
            for future in [pool.submit(self._step, batch) for batch in batches]:
                future.result()

    def _step(self, batch: BatchRecord) -> None:
        try:
            with kept_alive(self._ctx, batch):
                self._advance(batch)
        except LeaseLostError as error:
            # Not ours any more: whoever has it goes on from what is stored.
            logger.info("%s", error)

    def _advance(self, batch: BatchRecord) -> None:
        ctx, client = self._ctx, self._client
        match batch.state:
            case BatchState.PREPARED:
                upload(ctx, batch, client)
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

    def _next_due(self, held_until: datetime | None) -> datetime | None:
        with self._ctx.store.reading() as uow:
            moments = [_due_at(batch) for batch in uow.batches.open_batches(self._ctx.run_id)]
            retry_due = uow.retries.next_due(self._ctx.run_id)
        return min([moment for moment in (*moments, retry_due, held_until) if moment is not None], default=None)


def _due_at(batch: BatchRecord) -> datetime:
    """When the batch can be taken: it is due, and no lease is on it."""
    return max(batch.next_due_at, batch.lease.until) if batch.lease.until is not None else batch.next_due_at
