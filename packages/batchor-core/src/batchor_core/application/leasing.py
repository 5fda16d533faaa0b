"""Hold a batch while its step runs, and set it aside when the step has to wait."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event, Thread

from batchor_core.application.context import RunContext, Services, batch_data, logger
from batchor_core.application.control import pause
from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.events import EventType
from batchor_core.errors import BatchorError, ProviderRefusedError, ProviderUnavailableError, StorageUnavailableError
from batchor_core.failpoints import around
from batchor_core.ports.state import UnitOfWork


@contextmanager
def kept_alive(ctx: RunContext, batch: BatchRecord) -> Generator[None]:
    """Renew the lease on *batch* in the background until the block ends.

    A lost lease ends it: the step's own next write finds out. While the storage is away, it is tried on.
    """
    stopped = Event()
    ttl_s = ctx.services.lease_ttl.total_seconds()

    def beat() -> None:
        while not stopped.wait(ttl_s / 3):
            try:
                with ctx.store.transaction() as uow:
                    hold(ctx, uow, batch)
            except StorageUnavailableError as error:
                logger.debug("heartbeat of batch %s missed: %s", batch.batch_id, error)
            except BatchorError as error:
                logger.debug("heartbeat of batch %s ended: %s", batch.batch_id, error)
                return

    thread = Thread(target=beat, name=f"batchor-lease-{batch.batch_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def hold(ctx: RunContext, uow: UnitOfWork, batch: BatchRecord) -> BatchRecord:
    """Begin a transaction on *batch*: prove and renew the lease; the batch as it is stored now."""
    return uow.batches.hold(batch, now=ctx.now(), ttl=ctx.services.lease_ttl)


def release_held(services: Services, run_id: str) -> int:
    """Hand back every batch of the run that this worker holds; how many. For a worker that ends within a step.

    The step may still be under way in a thread: its next write is made under the same fence if nobody has taken
    the batch over by then, and refused if somebody has.
    """
    with services.store.reading() as uow:
        held = [batch for batch in uow.batches.open_batches(run_id) if batch.lease.owner == services.owner]
    for batch in held:
        with around("worker.release"), services.store.transaction() as uow:
            now = services.now()
            stored = uow.batches.hold(batch, now=now, ttl=services.lease_ttl)
            uow.batches.save(handed_back(stored, due_at=now, failures=stored.failures))
    return len(held)


def handed_back(batch: BatchRecord, *, due_at: datetime, failures: int = 0) -> BatchRecord:
    """*batch*, free for anybody from *due_at* on."""
    return replace(batch, lease=batch.lease.released(), next_due_at=due_at, failures=failures)


def defer(ctx: RunContext, batch: BatchRecord, error: ProviderUnavailableError) -> None:
    """Make the failed call again later: after the backoff, or as long as the provider asks for."""
    wait = ctx.backoff(batch.failures + 1, retry_after_s=error.retry_after_s)
    _set_aside(ctx, batch, wait=wait)
    data = {**batch_data(batch), "error": str(error), "retry_in_s": wait.total_seconds()}
    ctx.emit(ctx.event(EventType.BATCH_DEFERRED, data))


def pause_for(ctx: RunContext, batch: BatchRecord, error: ProviderRefusedError) -> None:
    """Pause the run with the refusal as its reason; the batch waits where it is for the run to be resumed."""
    _set_aside(ctx, batch, wait=timedelta(0))
    pause(ctx.services, ctx.run_id, reason=error.consequence.value, message=str(error))


def _set_aside(ctx: RunContext, batch: BatchRecord, *, wait: timedelta) -> None:
    with around("batch.set_aside"), ctx.store.transaction() as uow:
        held = hold(ctx, uow, batch)
        uow.batches.save(handed_back(held, due_at=ctx.now() + wait, failures=held.failures + 1))
