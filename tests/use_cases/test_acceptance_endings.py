"""Bad luck without end: a run comes to its end all the same, or waits, and buys no more than it must."""

from collections.abc import Callable
from typing import Any

import pytest

from batchor_core import EventType, RetryPolicy, RunLifecycleStatus
from batchor_core.domain.batch import LineFault
from batchor_core.domain.job import BatchJob
from batchor_core.errors import RunPausedError

type MakeJob = Callable[..., BatchJob[Any, None]]


def count_of(world: Any, event_type: EventType) -> int:
    return sum(1 for event in world.events if event.event_type is event_type)


@pytest.mark.parametrize("status", ["expired", "cancelled", "completed"])
def test_a_run_of_which_no_batch_runs_anything_ends_with_failures(
    world: Any, job: MakeJob, agree: Callable[..., bool], status: str
) -> None:
    world.server.final_status, world.server.answer = status, lambda _: None
    policy = RetryPolicy(max_deferrals=2, base_backoff_s=1, max_backoff_s=2)
    run = world.new_process().run_and_wait(job(8, retry_policy=policy), timeout=600)
    assert run.status is RunLifecycleStatus.COMPLETED_WITH_FAILURES
    assert {(result.error.error_class, result.attempt_count) for result in run.results()} == {("not_run", 0)}
    assert len(world.server.batches) == 6
    assert agree(world.store, run)


@pytest.mark.parametrize("line", [None, 1])
def test_a_run_of_which_every_batch_fails_pauses_or_ends(world: Any, job: MakeJob, line: int | None) -> None:
    world.server.final_status = "failed"
    world.server.faults = (LineFault("invalid_request", "it is bad", line=line),)
    runner = world.new_process()
    policy = RetryPolicy(max_deferrals=2, base_backoff_s=1, max_backoff_s=2)
    if line is None:
        with pytest.raises(RunPausedError, match="it is bad"):
            runner.run_and_wait(job(4, retry_policy=policy), timeout=600)
        assert len(world.server.batches) == 1
        return
    # A fault of a line is that item's alone, so the others are sent again, and each batch rejects one of them.
    run = runner.run_and_wait(job(4, retry_policy=policy), timeout=600)
    assert run.status is RunLifecycleStatus.COMPLETED_WITH_FAILURES
    assert {result.error.message for result in run.results()} >= {"it is bad"}
    assert len(world.server.batches) <= 4


def test_a_row_that_keeps_failing_makes_no_batch_per_refresh(world: Any, job: MakeJob) -> None:
    world.server.answer, world.server.run_time_s = lambda _: {"outcome": "provider_failed"}, 0
    policy = RetryPolicy(max_deferrals=50, base_backoff_s=100, max_backoff_s=3600)
    run = world.new_process().start(job(1, retry_policy=policy))
    for _ in range(600):
        world.clock.advance(1)
        run.refresh()
    # After 100 s, 200 s, 400 s, each less up to a half.
    assert 3 <= len(world.server.batches) <= 5


def test_a_batch_that_is_stuck_beyond_its_window_is_cancelled_and_sent_again(world: Any, job: MakeJob) -> None:
    world.server.run_time_s = 30 * 86_400
    run = world.new_process().start(job(4))
    while not count_of(world, EventType.BATCH_OVERDUE):
        world.clock.advance(600)
        run.refresh()
        assert len(world.server.batches) == 1
    (stuck,) = world.server.batches.values()
    age_s = (world.clock.now() - stuck.created_at).total_seconds()
    assert 86_400 < age_s < 2 * 86_400
    world.server.run_time_s = 5
    assert len(run.wait().results()) == 4
    assert [batch.provider_status for batch in world.server.batches.values()] == ["cancelled", "completed"]
    assert len(world.executed) == 4


def test_retries_of_many_items_share_their_batches(world: Any, job: MakeJob) -> None:
    left = {f"prompt {n}": 2 for n in range(8)}

    def fails_twice(prompt: str) -> dict[str, str]:
        left[prompt] -= 1
        return {"text": prompt} if left[prompt] < 0 else {"outcome": "provider_failed"}

    world.server.answer = fails_twice
    run = world.new_process().run_and_wait(job(8))
    assert run.status is RunLifecycleStatus.COMPLETED
    assert len(world.server.batches) <= 6
