"""The budget of enqueued tokens, shared by the runs of a scope."""

from collections.abc import Callable
from typing import Any

from batchor_core import EventType
from batchor_core.domain.batch import LineFault
from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.job import BatchJob
from batchor_testkit.fake_provider import FakeProviderConfig

type MakeJob = Callable[..., BatchJob[Any, None]]

QUEUE_FULL = (LineFault("token_limit_exceeded", "Enqueued token limit reached", transient=True),)


def limited(tokens: int, **options: Any) -> FakeProviderConfig:
    """The fake counter counts a token a character: `prompt 0` has 8."""
    return FakeProviderConfig(enqueue_limits=EnqueueLimits(enqueued_token_limit=tokens, **options))


def reserved(world: Any) -> int:
    with world.store.reading() as uow:
        return int(uow.capacity.get("fake-1").reserved)


def watch_queue(world: Any) -> list[int]:
    """Reserved tokens after each event."""
    seen: list[int] = []
    world.events = _Recorder(lambda: seen.append(reserved(world)))
    return seen


class _Recorder(list[Any]):
    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then

    def append(self, event: Any) -> None:
        super().append(event)
        self._then()


def test_reserved_tokens_never_pass_the_limit_and_all_come_back(world: Any, job: MakeJob) -> None:
    seen = watch_queue(world)
    run = world.new_process(concurrency=3).run_and_wait(job(20, provider_config=limited(40)))
    assert len(run.results()) == 20
    assert 32 <= max(seen) <= 40
    assert reserved(world) == 0


def test_two_runs_share_the_budget_of_their_scope(world: Any, job: MakeJob) -> None:
    seen = watch_queue(world)
    runner = world.new_process()
    config = limited(40)
    first = runner.start(job(12, provider_config=config), run_id="first")
    second = runner.start(job(12, provider_config=config), run_id="second")
    while not (first.is_finished and second.is_finished):
        first.refresh()
        second.refresh()
        world.clock.advance(1)
    assert max(seen) <= 40
    assert reserved(world) == 0


def test_target_ratio_and_headroom_leave_room_for_others(world: Any, job: MakeJob) -> None:
    seen = watch_queue(world)
    world.new_process().run_and_wait(job(10, provider_config=limited(100, target_ratio=0.5, headroom=10)))
    assert max(seen) <= 40


def test_a_request_that_is_larger_than_the_budget_goes_alone(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(3, provider_config=limited(4)))
    assert run.summary().batches == 3
    assert reserved(world) == 0


def test_a_full_queue_uses_no_attempt_up_and_is_tried_again_later(world: Any, job: MakeJob) -> None:
    world.server.final_status, world.server.faults = "failed", QUEUE_FULL
    run = world.new_process().start(job(4, provider_config=limited(1_000)))
    while not any(event.event_type is EventType.CAPACITY_CHANGED for event in world.events):
        world.clock.advance(1)
        run.refresh()
    with world.store.reading() as uow:
        capacity = uow.capacity.get("fake-1")
    assert capacity.learned_limit == 16
    assert (capacity.blocked_until - world.clock.now()).total_seconds() > 50
    world.server.final_status, world.server.faults = "completed", ()
    run.wait()
    assert {result.attempt_count for result in run.results()} == {1}
    assert len(world.executed) == 4


def test_success_raises_a_learned_limit_until_it_is_forgotten(world: Any, job: MakeJob) -> None:
    with world.store.transaction() as uow:
        capacity = uow.capacity.lock("fake-1").refused(world.clock.now(), enqueued=150)
        uow.capacity.save(capacity)
    world.new_process().run_and_wait(job(40, provider_config=limited(80)))
    with world.store.reading() as uow:
        capacity = uow.capacity.get("fake-1")
    assert (capacity.learned_limit, capacity.refusals, capacity.blocked_until) == (None, 0, None)


def test_a_cancelled_run_gives_back_what_it_reserved(world: Any, job: MakeJob) -> None:
    world.server.run_time_s = 1_000
    run = world.new_process().start(job(8, provider_config=limited(1_000)))
    assert reserved(world) == 64
    run.cancel()
    run.wait()
    assert reserved(world) == 0


def test_tokens_are_not_counted_where_no_limit_needs_them(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(4))
    assert reserved(world) == 0
    run.wait()
