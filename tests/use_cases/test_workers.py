"""Workers: runs that are started here and driven there."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from batchor_core import MemoryStateStore, RunControlState, RunLifecycleStatus, WorkReport
from batchor_core.domain.job import BatchJob
from batchor_core.errors import (
    ArtifactError,
    ConfigurationError,
    RunExistsError,
    RunNotFoundError,
    StorageError,
    StorageUnavailableError,
)
from batchor_core.failpoints import InjectedCrash, arm, disarm, observe

type MakeJob = Callable[..., BatchJob[Any, None]]


class ShakyStore:
    """A store whose next *failures* uses fail with *error*."""

    def __init__(self, store: Any, error: Exception, *, failures: int) -> None:
        self._store = store
        self._error = error
        self.failures = failures

    @contextmanager
    def _maybe(self, context: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise self._error
        with context as unit:
            yield unit

    def transaction(self) -> Any:
        return self._maybe(self._store.transaction())

    def reading(self) -> Any:
        return self._maybe(self._store.reading())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_detached_start_reads_the_input_and_sends_nothing(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(10), detach=True)
    assert run.summary().ingestion_complete
    assert (run.summary().counts.pending, world.server.files, world.server.create_calls) == (10, {}, 0)


def test_a_worker_finishes_what_others_have_started(world: Any, job: MakeJob) -> None:
    runs = [world.new_process().start(job(count), detach=True) for count in (10, 3, 6)]
    report = world.new_process().work(until_idle=True)
    assert [run.status for run in runs] == [RunLifecycleStatus.COMPLETED] * 3
    assert (report.open_runs, dict(report.troubles)) == (0, {})
    assert len(set(world.executed)) == len(world.executed) == 19


def test_a_worker_drives_only_the_runs_that_it_is_given(world: Any, job: MakeJob) -> None:
    chosen, other = (world.new_process().start(job(4), detach=True) for _ in range(2))
    world.new_process().work(run_ids=[chosen.run_id], until_idle=True)
    assert (chosen.is_finished, other.is_finished) == (True, False)


def test_a_worker_refuses_a_run_that_is_not_stored(world: Any) -> None:
    with pytest.raises(RunNotFoundError):
        world.new_process().work(run_ids=["nowhere"], until_idle=True)


def test_a_worker_notices_a_run_that_is_started_while_it_works(world: Any, job: MakeJob) -> None:
    world.new_process().start(job(4), detach=True)
    started: list[Any] = []

    def start_another(report: WorkReport) -> None:
        if not started:
            started.append(world.new_process().start(job(4), detach=True))

    world.new_process().work(until_idle=True, on_round=start_another)
    assert started[0].is_finished


def test_a_worker_leaves_paused_runs_alone_and_takes_them_up_when_they_are_resumed(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(4), detach=True)
    run.pause()
    world.new_process().work(until_idle=True)
    assert (run.control_state, run.summary().counts.pending) == (RunControlState.PAUSED, 4)
    run.resume()
    world.new_process().work(until_idle=True)
    assert run.is_finished


def test_a_worker_ends_the_batches_of_a_cancelled_run(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(10))
    run.cancel()
    world.new_process().work(until_idle=True)
    assert run.status is RunLifecycleStatus.COMPLETED_WITH_FAILURES


def test_a_worker_leaves_the_rest_of_the_input_to_whoever_has_the_job(world: Any, job: MakeJob) -> None:
    arm("ingest.commit.after", hit=2)
    with pytest.raises(InjectedCrash):
        world.new_process().start(job(10), run_id="r", detach=True)
    disarm()
    world.outlive_leases()
    world.new_process().work(until_idle=True)
    run = world.new_process().get_run("r")
    assert (run.summary().total_items, run.summary().counts.completed) == (8, 8)
    assert world.new_process().run_and_wait(job(10), run_id="r").is_finished


def test_one_run_that_cannot_be_driven_stops_no_other_and_is_reported(world: Any, job: MakeJob) -> None:
    broken, sound = (world.new_process().start(job(4), detach=True) for _ in range(2))
    with world.store.reading() as uow:
        world.artifacts.delete(uow.artifacts.of_run(broken.run_id)[0].name)
    report = world.new_process().work(until_idle=True)
    assert (sound.is_finished, broken.is_finished) == (True, False)
    assert list(report.troubles) == [broken.run_id]
    assert "restore it from a backup" in report.troubles[broken.run_id]


def test_a_run_that_could_not_be_driven_is_tried_again(world: Any, job: MakeJob) -> None:
    class FailsOnce:
        def __init__(self) -> None:
            self.failures = 1

        def __getattr__(self, name: str) -> Any:
            if name == "open" and self.failures:
                self.failures -= 1
                raise ArtifactError("the mount is away")
            return getattr(world.artifacts, name)

    run = world.new_process().start(job(4), detach=True)
    stop = Event()

    def stop_when_finished(report: WorkReport) -> None:
        if run.is_finished:
            stop.set()

    report = world.new_process(artifact_store=FailsOnce()).work(stop=stop, on_round=stop_when_finished)
    assert (run.is_finished, dict(report.troubles)) == (True, {})


def test_a_worker_waits_for_a_storage_that_is_away(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(10), detach=True)
    store = world.store
    world.store = ShakyStore(store, StorageUnavailableError("the server restarts"), failures=3)
    told: list[str | None] = []
    world.new_process().work(until_idle=True, on_round=lambda report: told.append(report.storage_trouble))
    world.store = store
    assert run.is_finished
    assert (told[:3], told[-1]) == (["the server restarts"] * 3, None)


def test_a_worker_ends_when_the_storage_is_damaged(world: Any, job: MakeJob) -> None:
    world.new_process().start(job(4), detach=True)
    world.store = ShakyStore(world.store, StorageError("the file is no database"), failures=1)
    with pytest.raises(StorageError, match="no database"):
        world.new_process().work(until_idle=True)


def test_a_worker_that_is_told_to_stop_holds_nothing(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(10), detach=True)
    stop = Event()
    world.new_process().work(stop=stop, on_round=lambda report: stop.set())
    assert not run.is_finished
    assert all(batch.lease.owner is None for batch in run.snapshot().open_batches)


def test_released_batches_can_be_taken_at_once(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(4), detach=True)
    dying = world.new_process()
    arm("submit.upload.before")
    with pytest.raises(InjectedCrash):
        dying.tick(run.run_id)
    disarm()
    assert run.snapshot().open_batches[0].lease.owner is not None
    assert dying.release() == 1
    assert world.new_process().tick(run.run_id).made_progress
    world.new_process().work(until_idle=True)
    assert len(world.executed) == 4


def test_a_tick_says_when_the_next_one_is_due(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(4), detach=True)
    process = world.new_process()
    while (report := process.tick(run.run_id)).made_progress:
        pass
    assert report.next_due_at is not None
    assert report.next_due_at > world.clock.now()
    assert not process.tick(run.run_id).made_progress


def test_ticks_of_fresh_processes_alone_finish_a_run(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(10), detach=True)
    for _ in range(60):
        world.new_process().tick(run.run_id)
        world.clock.advance(3)
    assert run.is_finished
    report = world.new_process().tick(run.run_id)
    assert (report.made_progress, report.next_due_at, report.summary.counts.completed) == (False, None, 10)
    assert len(world.executed) == 10


def test_a_storage_without_a_place_for_artifacts_can_be_read_and_starts_nothing(world: Any, job: MakeJob) -> None:
    class SharedByHosts(MemoryStateStore):
        @property
        def artifact_root(self) -> Path | None:
            raise ConfigurationError("there is no place for artifacts")

    world.store = SharedByHosts()
    runner = world.new_process(artifact_store=None)
    with pytest.raises(ConfigurationError, match="no place for artifacts"):
        runner.start(job(4))
    assert list(runner.runs()) == []


def test_looks_at_batches_are_spread(world: Any, job: MakeJob) -> None:
    run = world.new_process(concurrency=8).start(job(32))
    due = {batch.next_due_at for batch in run.snapshot().open_batches}
    assert len(due) == 8


def test_a_run_that_another_process_adds_at_the_same_moment_is_taken_up(world: Any, job: MakeJob) -> None:
    first = world.new_process().start(job(4), run_id="r", detach=True)
    # As the database answers whoever adds it a moment later.
    world.store = ShakyStore(world.store, RunExistsError("r"), failures=1)
    second = world.new_process().start(job(4), run_id="r", detach=True)
    assert second.summary().total_items == first.summary().total_items == 4


def test_a_heartbeat_outlives_a_storage_that_is_away_for_a_moment(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(4), detach=True)
    shaky = ShakyStore(world.store, StorageUnavailableError("the server restarts"), failures=0)
    held: list[Any] = []

    def step_that_takes_long(name: str) -> None:
        if name == "submit.upload.before" and not held:
            shaky.failures = 1
            time.sleep(0.5)
            held.append(run.snapshot().open_batches[0].lease.until)

    store, world.store = world.store, shaky
    observe(step_that_takes_long)
    before = world.clock.now() + timedelta(seconds=0.3)
    world.clock.advance(0.1)
    world.new_process(lease_ttl_s=0.3).tick(run.run_id)
    world.store = store
    assert held[0] >= before
    assert shaky.failures == 0


def test_a_worker_claims_its_own_batch_while_another_sends_one(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(8), detach=True)
    reports: list[Any] = []

    def beside_it(name: str) -> None:
        if name == "submit.upload.before" and not reports:
            reports.append(None)
            reports[0] = world.new_process().tick(run.run_id)

    observe(beside_it)
    world.new_process().tick(run.run_id)
    observe(None)
    assert reports[0].made_progress
    assert run.summary().batches == 2


def test_while_uploads_fail_intents_do_not_pile_up(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(40), detach=True)
    world.server.down = True
    for _ in range(30):
        world.new_process(concurrency=2).tick(run.run_id)
        world.clock.advance(5)
    assert len(run.snapshot().open_batches) <= 3
