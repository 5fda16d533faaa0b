"""Each kind of event is told by something that really happens."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchor_core import EventType, RetryPolicy
from batchor_core.domain.batch import LineFault, RemoteBatch
from batchor_core.domain.job import BatchJob
from batchor_core.errors import ProviderUnavailableError
from batchor_testkit.fake_provider import FakeClient, FakeProvider, FakeProviderFactory, FakeServer

type MakeJob = Callable[..., BatchJob[Any, None]]
type Story = Callable[[Any, MakeJob, Path], object]

E = EventType


def plain(world: Any, job: MakeJob, folder: Path) -> None:
    run = world.new_process().run_and_wait(job(8))
    run.export_artifacts(folder)
    run.prune_artifacts()


def paused(world: Any, job: MakeJob, folder: Path) -> None:
    run = world.new_process().start(job(4))
    run.pause()
    run.resume()
    run.cancel()
    run.wait()


def failing(world: Any, job: MakeJob, folder: Path) -> None:
    world.server.answer = lambda _: {"outcome": "refused", "text": "no"}
    run = world.new_process().run_and_wait(job(2))
    assert run.retry() == 2


def away(world: Any, job: MakeJob, folder: Path) -> None:
    world.server.down = True
    run = world.new_process().start(job(2))
    world.server.down = False
    run.wait()


def overdue(world: Any, job: MakeJob, folder: Path) -> None:
    world.server.run_time_s = 10 * 86_400
    run = world.new_process().start(job(2))
    for _ in range(40):
        world.clock.advance(3_600)
        run.refresh()


def queue_full(world: Any, job: MakeJob, folder: Path) -> None:
    world.server.final_status = "failed"
    world.server.faults = (LineFault("token_limit_exceeded", "the queue is full", transient=True),)
    run = world.new_process().start(job(2))
    world.clock.advance(10)
    run.refresh()


def unknown(world: Any, job: MakeJob, folder: Path) -> None:
    run = world.new_process().start(job(2), run_id="ours")
    (ours,) = world.server.batches.values()
    world.server.batches["strange"] = replace(ours, provider_batch_id="strange", ended=True)
    run.wait()


class MessyServer(FakeServer):
    def execute(self, batch: RemoteBatch) -> RemoteBatch:
        ended = super().execute(batch)
        self.files[ended.output_file_id or ""] += b'{"custom_id": "ffffffff-0", "text": "of another run"}\n'
        return ended


def messy(world: Any, job: MakeJob, folder: Path) -> None:
    world.server = MessyServer(world.clock)
    world.new_process().run_and_wait(job(2))


class DeafClient(FakeClient):
    """Creates, *times* times over, and gives no answer."""

    def __init__(self, server: FakeServer, times: int) -> None:
        super().__init__(server)
        self._times = times

    def create(self, *, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        times, self._times = self._times, -1
        if times < 0:
            return super().create(input_file_id=input_file_id, metadata=metadata)
        for _ in range(times):
            super().create(input_file_id=input_file_id, metadata=metadata)
        raise ProviderUnavailableError("no answer")


class DeafProvider(FakeProvider):
    def __init__(self, server: FakeServer, times: int) -> None:
        super().__init__(server)
        self._deaf = DeafClient(server, times)

    @property
    def client(self) -> FakeClient:
        return self._deaf


class DeafFactory(FakeProviderFactory):
    def __init__(self, server: FakeServer, times: int) -> None:
        super().__init__(server)
        self._connection = DeafProvider(server, times)

    def connect(self, config: object) -> FakeProvider:
        return self._connection


def unclear(times: int) -> Story:
    """A create call without an answer, which made so many batches."""

    def story(world: Any, job: MakeJob, folder: Path) -> None:
        providers = {"fake": DeafFactory(world.server, times)}
        world.new_process(providers=providers).run_and_wait(job(2, retry_policy=RetryPolicy()))

    return story


STORIES: Mapping[EventType, Story] = {
    E.RUN_CREATED: plain,
    E.RUN_RESUMED: paused,
    E.RUN_PAUSED: paused,
    E.RUN_CANCELLED: paused,
    E.RUN_REOPENED: failing,
    E.RUN_FINISHED: plain,
    E.ITEMS_INGESTED: plain,
    E.ITEMS_COMPLETED: plain,
    E.ITEMS_FAILED: failing,
    E.BATCH_PREPARED: plain,
    E.BATCH_SUBMITTED: plain,
    E.BATCH_ADOPTED: unclear(1),
    E.BATCH_ABANDONED: unclear(0),
    E.BATCH_POLLED: plain,
    E.BATCH_ENDED: plain,
    E.BATCH_COLLECTED: plain,
    E.BATCH_DEFERRED: away,
    E.BATCH_OVERDUE: overdue,
    E.CAPACITY_CHANGED: queue_full,
    E.ARTIFACTS_EXPORTED: plain,
    E.ARTIFACTS_PRUNED: plain,
    E.UNKNOWN_BATCHES: unknown,
    E.DUPLICATE_BATCH_CANCELLED: unclear(2),
    E.UNEXPECTED_LINES: messy,
}


@pytest.mark.parametrize("event_type", EventType)
def test_an_observer_is_told(world: Any, job: MakeJob, tmp_path: Path, event_type: EventType) -> None:
    STORIES[event_type](world, job, tmp_path)
    assert event_type in {event.event_type for event in world.events}


@pytest.mark.parametrize(("times", "bought"), [(0, 2), (1, 2)])
def test_an_unclear_create_is_bought_once_whether_it_had_acted_or_not(
    world: Any, job: MakeJob, tmp_path: Path, times: int, bought: int
) -> None:
    unclear(times)(world, job, tmp_path)
    assert len(world.executed) == bought
