"""What every step of one run needs."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from threading import Lock

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.events import EventType, RunEvent
from batchor_core.domain.job import StoredJob
from batchor_core.domain.policies import RecoveryPolicy, SlicePolicy
from batchor_core.domain.retry import backoff
from batchor_core.domain.run import RunRecord
from batchor_core.json_types import JsonValue
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import StateStore
from batchor_core.ports.system import Clock, Observer

logger = logging.getLogger("batchor")


@dataclass(frozen=True, slots=True)
class Services:
    """What all runs of one runner share."""

    store: StateStore
    artifacts: ArtifactStore
    clock: Clock
    observer: Observer | None
    rng: Random
    owner: str
    """This process, in leases: random per runner."""
    lease_ttl: timedelta
    slices: SlicePolicy
    recovery: RecoveryPolicy
    concurrency: int
    """Batches that are worked on at once."""
    one_window: Lock = field(default_factory=Lock)
    """Held by the one of them whose output lines are in memory."""

    def now(self) -> datetime:
        return self.store.now(self.clock.now())

    def event(self, run_id: str, event_type: EventType, data: Mapping[str, JsonValue] | None = None) -> RunEvent:
        return RunEvent(event_type, run_id, self.now(), data or {})

    def emit(self, event: RunEvent) -> None:
        """Tell the observer; whatever it raises is logged and harms nothing."""
        if self.observer is None:
            return
        try:
            self.observer(event)
        except Exception:  # the observer is foreign code
            logger.exception("the observer raised on %s of run %s", event.event_type, event.run_id)


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run, as its steps see it."""

    run_id: str
    tag: str
    job: StoredJob
    services: Services
    enqueue_limits: EnqueueLimits | None
    quota_scope: str
    poll_interval: timedelta
    completion_window: timedelta

    @property
    def store(self) -> StateStore:
        return self.services.store

    @property
    def artifacts(self) -> ArtifactStore:
        return self.services.artifacts

    def now(self) -> datetime:
        return self.services.now()

    def event(self, event_type: EventType, data: Mapping[str, JsonValue] | None = None) -> RunEvent:
        return self.services.event(self.run_id, event_type, data)

    def emit(self, *events: RunEvent) -> None:
        for event in events:
            self.services.emit(event)

    def finish_if_done(self, run: RunRecord) -> tuple[RunRecord, list[RunEvent]]:
        """*run*, finished when nothing of it is open, and the event that says so."""
        finished = run.finished_if_done(self.now())
        if finished.status is run.status:
            return run, []
        return finished, [self.event(EventType.RUN_FINISHED, {"status": finished.status.value})]

    def until_next_look(self) -> timedelta:
        """The poll interval, give or take a tenth: batches that were sent together are not asked for together for ever."""
        return self.poll_interval * (0.9 + 0.2 * self.services.rng.random())

    def backoff(self, failures: int, *, retry_after_s: float | None = None) -> timedelta:
        """How long to wait after the *failures*-th failed call in a row, by the run's retry policy."""
        jitter = self.services.rng.random()
        return backoff(failures, self.job.retry_policy, jitter=jitter, retry_after_s=retry_after_s)


def batch_data(batch: BatchRecord) -> dict[str, JsonValue]:
    """What events tell of a batch."""
    return {
        "batch_id": batch.batch_id,
        "provider_batch_id": batch.provider_batch_id,
        "provider_status": batch.provider_status,
        "request_count": batch.request_count,
    }
