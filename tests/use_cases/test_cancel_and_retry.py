"""Cancelling a run, and letting its failed items begin again."""

from collections.abc import Callable
from typing import Any

import pytest

from batchor_core import EventType, ItemStatus, RunControlState, RunLifecycleStatus
from batchor_core.domain.job import BatchJob
from batchor_core.errors import RunCancelledError

type MakeJob = Callable[..., BatchJob[Any, None]]


def error_classes(run: Any) -> list[str | None]:
    return [None if result.error is None else result.error.error_class for result in run.results()]


def test_a_cancelled_run_keeps_what_is_finished_and_ends_the_rest(
    world: Any, job: MakeJob, agree: Callable[..., bool]
) -> None:
    runner = world.new_process()
    world.server.answer = lambda prompt: {"text": prompt} if prompt in {"prompt 0", "prompt 5"} else None
    run = runner.start(job(10))
    world.clock.advance(5)
    run.refresh()
    run.cancel()
    run.wait()
    assert run.status is RunLifecycleStatus.COMPLETED_WITH_FAILURES
    assert run.control_state is RunControlState.CANCEL_REQUESTED
    classes = error_classes(run)
    assert [index for index, error_class in enumerate(classes) if error_class is None] == [0, 5]
    assert set(classes) == {None, "run_cancelled"}
    assert agree(world.store, run)


def test_a_batch_at_the_provider_is_cancelled_there_and_its_finished_lines_are_kept(world: Any, job: MakeJob) -> None:
    world.server.run_time_s = 1_000
    run = world.new_process().start(job(4))
    run.cancel()
    run.wait()
    assert [batch.provider_status for batch in world.server.batches.values()] == ["cancelled"]
    assert set(error_classes(run)) == {"run_cancelled"}


def test_items_that_wait_for_a_retry_are_ended_too(world: Any, job: MakeJob, agree: Callable[..., bool]) -> None:
    world.server.answer = lambda _: {"outcome": "provider_failed"}
    run = world.new_process().start(job(4))
    while run.summary().counts.failed_retryable < 4:
        world.clock.advance(1)
        run.refresh()
    run.cancel()
    run.wait()
    assert error_classes(run) == ["run_cancelled"] * 4
    assert agree(world.store, run)


def test_an_intent_that_was_never_sent_is_given_up(world: Any, job: MakeJob, agree: Callable[..., bool]) -> None:
    world.server.down = True
    run = world.new_process().start(job(4))
    assert run.summary().counts.queued_local == 4
    run.cancel()
    run.wait()
    assert error_classes(run) == ["run_cancelled"] * 4
    assert agree(world.store, run)
    assert not world.server.batches


def test_a_cancelled_run_reads_no_further_row(world: Any, job: MakeJob) -> None:
    seen: list[str] = []

    def cancelling(item: Any) -> str:
        seen.append(item.item_id)
        if item.item_id == "item-5":
            runner.get_run("stopped").cancel()
        return str(item.payload)

    runner = world.new_process()
    run = runner.start(job(100, build_prompt=cancelling), run_id="stopped").wait()
    assert len(seen) < 20
    assert len(run.results()) == run.summary().total_items < 20


def test_another_process_carries_a_cancellation_on(world: Any, job: MakeJob) -> None:
    world.server.run_time_s = 1_000
    world.new_process().start(job(4), run_id="left").cancel()
    run = world.new_process().get_run("left").wait()
    assert set(error_classes(run)) == {"run_cancelled"}


def test_a_finished_run_cannot_be_cancelled_any_more(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(4))
    run.cancel()
    assert run.control_state is RunControlState.RUNNING


def test_failed_items_begin_again_and_may_succeed(world: Any, job: MakeJob, agree: Callable[..., bool]) -> None:
    world.server.answer = lambda prompt: {"outcome": "refused"} if prompt == "prompt 1" else {"text": prompt}
    run = world.new_process().run_and_wait(job(4))
    assert error_classes(run) == [None, "refused", None, None]
    world.server.answer = lambda prompt: {"text": f"again {prompt}"}
    assert run.retry() == 1
    assert run.status is RunLifecycleStatus.RUNNING
    run.wait()
    assert [result.output_text for result in run.results()][:2] == ["prompt 0", "again prompt 1"]
    assert run.status is RunLifecycleStatus.COMPLETED
    assert agree(world.store, run)


def test_only_failures_of_one_class_begin_again(world: Any, job: MakeJob) -> None:
    outcomes = {"prompt 0": "refused", "prompt 1": "truncated"}
    world.server.answer = lambda prompt: {"outcome": outcomes.get(prompt, "answered"), "text": prompt}
    run = world.new_process().run_and_wait(job(3))
    world.server.answer = lambda prompt: {"text": prompt}
    assert run.retry(error_class="refused") == 1
    assert error_classes(run.wait()) == [None, "truncated", None]


def test_a_second_end_has_a_sequence_of_its_own(world: Any, job: MakeJob) -> None:
    world.server.answer = lambda prompt: {"outcome": "refused"} if prompt == "prompt 1" else {"text": prompt}
    run = world.new_process().run_and_wait(job(4))
    last = run.summary().terminal_result_sequence
    world.server.answer = lambda prompt: {"text": prompt}
    run.retry()
    run.wait()
    page = run.read_terminal_results(after_sequence=last)
    assert [result.item_id for result in page.items] == ["item-1"]


def test_a_run_without_failures_has_nothing_to_retry(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(4))
    assert run.retry() == 0
    assert run.status is RunLifecycleStatus.COMPLETED


def test_items_that_could_not_be_sent_stay_failed(world: Any, job: MakeJob) -> None:
    from batchor_core import BatchItem

    run = world.new_process().run_and_wait(job(items=[BatchItem("a", "\ud800")]))
    assert run.retry() == 0


def test_a_cancelled_run_is_not_taken_up_again(world: Any, job: MakeJob) -> None:
    world.server.run_time_s = 1_000
    run = world.new_process().start(job(4))
    run.cancel()
    run.wait()
    with pytest.raises(RunCancelledError):
        run.retry()


def test_events_tell_of_cancelling_and_reopening(world: Any, job: MakeJob) -> None:
    world.server.answer = lambda _: {"outcome": "refused"}
    run = world.new_process().run_and_wait(job(1))
    run.retry()
    run.cancel()
    kinds = [event.event_type for event in world.events]
    assert EventType.RUN_REOPENED in kinds
    assert EventType.RUN_CANCELLED in kinds
    assert run.wait().results()[0].status is ItemStatus.FAILED_PERMANENT
