"""What a run does with its items, its faults and its operators, against the provider in memory."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from batchor_core import (
    BatchItem,
    ChunkPolicy,
    EventType,
    ItemStatus,
    PromptParts,
    RetryPolicy,
    RunControlState,
    RunLifecycleStatus,
)
from batchor_core.domain.batch import LineFault
from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.job import BatchJob
from batchor_core.errors import (
    ConfigChangedError,
    DuplicateItemIdError,
    InvalidItemError,
    InvalidRunIdError,
    JobRequiredError,
    PromptBuildError,
    RunNotFinishedError,
    RunNotFoundError,
    RunPausedError,
    SourceChangedError,
    WaitTimeoutError,
)
from batchor_testkit.fake_provider import FakeProviderConfig

type MakeJob = Callable[..., BatchJob[Any, None]]


def texts(run: Any) -> dict[str, str | None]:
    return {result.item_id: result.output_text for result in run.results()}


def test_every_item_has_its_own_answer_in_input_order(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(10))
    assert [result.item_id for result in run.results()] == [f"item-{n}" for n in range(10)]
    assert texts(run)["item-7"] == "echo: prompt 7"


def test_a_finished_run_counts_items_tokens_and_batches(world: Any, job: MakeJob) -> None:
    summary = world.new_process().run_and_wait(job(10)).summary()
    assert summary.status is RunLifecycleStatus.COMPLETED
    assert (summary.total_items, summary.counts.completed, summary.batches) == (10, 10, 3)
    assert (summary.usage.input_tokens, summary.usage.output_tokens) == (30, 50)


def test_the_raw_response_is_the_providers_line(world: Any, job: MakeJob) -> None:
    result = world.new_process().run_and_wait(job(3)).results()[1]
    assert result.raw_response["text"] == "echo: prompt 1"


def test_metadata_and_usage_come_back_with_the_result(world: Any, job: MakeJob) -> None:
    result = world.new_process().run_and_wait(job(3)).results()[2]
    assert result.metadata == {"n": 2}
    assert result.usage.output_tokens == 5


def test_no_user_identifier_leaves_the_machine(world: Any, job: MakeJob) -> None:
    world.new_process().run_and_wait(job(3))
    assert not any(b"item-" in content for content in world.server.files.values())


def test_an_empty_input_is_a_completed_run(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(0))
    assert run.status is RunLifecycleStatus.COMPLETED
    assert run.results() == []
    assert not world.server.batches


def test_an_input_of_exactly_one_batch_makes_one_batch(world: Any, job: MakeJob) -> None:
    assert world.new_process().run_and_wait(job(4)).summary().batches == 1


def test_a_duplicate_id_stops_with_its_name_and_place(world: Any, job: MakeJob) -> None:
    items = [BatchItem("a", "1"), BatchItem("b", "2"), BatchItem("a", "3")]
    with pytest.raises(DuplicateItemIdError, match=r"'a' occurs twice.*item number 3"):
        world.new_process().start(job(items=items), run_id="doubled")


def test_an_empty_id_stops_with_its_place(world: Any, job: MakeJob) -> None:
    with pytest.raises(InvalidItemError, match=r"item number 2.*empty"):
        world.new_process().start(job(items=[BatchItem("a", "1"), BatchItem("", "2")]))


def test_a_prompt_that_raises_stops_with_the_items_name_and_stays_resumable(world: Any, job: MakeJob) -> None:
    def broken(item: BatchItem[str]) -> str:
        if item.item_id == "item-6":
            raise KeyError("text")
        return item.payload

    with pytest.raises(PromptBuildError, match=r"item-6.*run_id='mended'"):
        world.new_process().start(job(10, build_prompt=broken), run_id="mended")
    run = world.new_process().run_and_wait(job(10), run_id="mended")
    assert len(run.results()) == 10
    assert sorted(world.executed) == sorted(set(world.executed))


def test_a_prompt_that_raises_can_be_recorded_instead(world: Any, job: MakeJob, agree: Callable[..., bool]) -> None:
    def broken(item: BatchItem[str]) -> str:
        if item.item_id in {"item-1", "item-9"}:
            raise KeyError("text")
        return item.payload

    run = world.new_process().run_and_wait(job(10, build_prompt=broken, on_prompt_error="fail_item"))
    assert run.status is RunLifecycleStatus.COMPLETED_WITH_FAILURES
    failed = [result for result in run.results() if result.status is ItemStatus.FAILED_PERMANENT]
    assert [result.item_id for result in failed] == ["item-1", "item-9"]
    assert {result.error.error_class for result in failed} == {"prompt_failed"}
    assert agree(world.store, run)


@pytest.mark.parametrize("returned", [None, 7, b"bytes"])
def test_a_prompt_that_is_no_text_is_refused(world: Any, job: MakeJob, returned: object) -> None:
    with pytest.raises(PromptBuildError, match="return PromptParts or a str"):
        world.new_process().start(job(1, build_prompt=lambda _: returned))


def test_prompt_parts_and_plain_strings_are_equal(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(1, build_prompt=lambda item: PromptParts(item.payload)))
    assert texts(run) == {"item-0": "echo: prompt 0"}


def test_a_request_over_the_limit_is_rejected_and_the_others_go_on(
    world: Any, job: MakeJob, agree: Callable[..., bool]
) -> None:
    items = [BatchItem("small", "x"), BatchItem("large", "x" * 500), BatchItem("last", "y")]
    policy = ChunkPolicy(max_requests=4, max_request_bytes=200)
    run = world.new_process().run_and_wait(job(items=items, chunk_policy=policy))
    error = {result.item_id: result.error for result in run.results()}
    assert error["small"] is None
    assert error["last"] is None
    assert error["large"].error_class == "request_too_large"
    assert "200" in error["large"].message
    assert agree(world.store, run)


def test_text_that_no_request_can_hold_fails_its_item_alone(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(items=[BatchItem("a", "\ud800"), BatchItem("b", "fine")]))
    first, second = run.results()
    assert first.error.error_class == "invalid_request"
    assert second.status is ItemStatus.COMPLETED


def test_a_run_of_rejected_items_ends_without_a_batch(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(items=[BatchItem("a", "\ud800")]))
    assert run.status is RunLifecycleStatus.COMPLETED_WITH_FAILURES
    assert not world.server.batches


def test_batches_keep_within_the_byte_limit(world: Any, job: MakeJob) -> None:
    policy = ChunkPolicy(max_requests=100, max_batch_bytes=335)
    run = world.new_process().run_and_wait(job(20, chunk_policy=policy))
    assert len(run.results()) == 20
    inputs = [world.server.files[batch.input_file_id] for batch in world.server.batches.values()]
    assert max(map(len, inputs)) <= 335
    assert len(inputs) == 5


def test_batches_keep_within_the_token_limit(world: Any, job: MakeJob) -> None:
    limits = EnqueueLimits(enqueued_token_limit=1_000, max_batch_enqueued_tokens=20)
    config = FakeProviderConfig(enqueue_limits=limits)
    run = world.new_process().run_and_wait(job(10, provider_config=config))
    assert len(run.results()) == 10
    # "prompt 7" has 8 tokens by the fake counter: two fit.
    assert run.summary().batches == 5


def test_a_failed_request_is_tried_again_after_its_backoff(world: Any, job: MakeJob) -> None:
    left = [1]

    def once_failing(prompt: str) -> dict[str, str]:
        if prompt == "prompt 2" and left.pop() if left else False:
            return {"outcome": "provider_failed"}
        return {"text": prompt}

    world.server.answer = once_failing
    run = world.new_process().run_and_wait(job(4))
    assert run.status is RunLifecycleStatus.COMPLETED
    first, second = (batch.created_at for batch in world.server.batches.values())
    assert second - first >= timedelta(seconds=10)


def test_only_attempts_that_the_model_answered_are_counted(world: Any, job: MakeJob) -> None:
    answers = iter([{"outcome": "provider_failed"}, {"outcome": "empty"}, {"text": "at last"}])
    world.server.answer = lambda _: next(answers)
    (result,) = world.new_process().run_and_wait(job(1)).results()
    assert (result.output_text, result.attempt_count) == ("at last", 2)


def test_an_item_fails_when_its_attempts_are_used_up(world: Any, job: MakeJob) -> None:
    world.server.answer = lambda _: {"outcome": "empty"}
    run = world.new_process().run_and_wait(job(1))
    (result,) = run.results()
    assert result.status is ItemStatus.FAILED_PERMANENT
    assert (result.error.error_class, result.attempt_count) == ("empty", 3)
    assert len(world.executed) == 3
    assert run.snapshot().failures[0] == ("empty", 1)


def test_items_that_are_never_run_come_to_an_end(world: Any, job: MakeJob) -> None:
    world.server.answer = lambda _: None
    policy = RetryPolicy(max_deferrals=3, base_backoff_s=1, max_backoff_s=2)
    (result,) = world.new_process().run_and_wait(job(1, retry_policy=policy)).results()
    assert (result.error.error_class, result.attempt_count) == ("not_run", 0)
    assert len(world.server.batches) == 4


@pytest.mark.parametrize("outcome", ["refused", "truncated", "request_failed"])
def test_an_outcome_that_would_come_back_is_final(world: Any, job: MakeJob, outcome: str) -> None:
    world.server.answer = lambda _: {"outcome": outcome, "text": "partial"}
    (result,) = world.new_process().run_and_wait(job(1)).results()
    assert result.error.error_class == outcome
    assert len(world.executed) == 1


def test_retries_ride_with_fresh_items_and_not_one_by_one(world: Any, job: MakeJob) -> None:
    failed: set[str] = set()

    def each_fails_once(prompt: str) -> dict[str, str]:
        if prompt in failed:
            return {"text": prompt}
        failed.add(prompt)
        return {"outcome": "provider_failed"}

    world.server.answer = each_fails_once
    run = world.new_process().run_and_wait(job(8))
    assert len(run.results()) == 8
    assert run.summary().batches <= 4


def test_finished_lines_of_an_expired_batch_are_kept(world: Any, job: MakeJob) -> None:
    run_at: list[str] = []

    def half(prompt: str) -> dict[str, str] | None:
        run_at.append(prompt)
        return {"text": prompt} if prompt in {"prompt 0", "prompt 1"} or len(run_at) > 4 else None

    world.server.answer, world.server.final_status = half, "expired"
    run = world.new_process().run_and_wait(job(4))
    assert run.status is RunLifecycleStatus.COMPLETED
    assert len(world.executed) == 4
    assert {result.attempt_count for result in run.results()} == {1}


def test_a_fault_of_one_line_rejects_that_item_and_sends_the_rest_again(world: Any, job: MakeJob) -> None:
    world.server.final_status = "failed"
    world.server.faults = (LineFault("invalid_request", "bad line", line=2),)
    runner = world.new_process()
    run = runner.start(job(3))
    while run.refresh() or run.summary().counts.submitted:
        world.clock.advance(5)
    world.server.final_status, world.server.faults = "completed", ()
    run.wait()
    assert [result.error and result.error.message for result in run.results()] == [None, "bad line", None]


def test_a_fault_of_a_whole_batch_pauses_the_run_with_its_reason(world: Any, job: MakeJob) -> None:
    world.server.final_status = "failed"
    world.server.faults = (LineFault("model_not_found", "no such model"),)
    runner = world.new_process()
    with pytest.raises(RunPausedError, match="no such model"):
        runner.run_and_wait(job(3), run_id="paused")
    summary = runner.get_run("paused").summary()
    assert (summary.control_state, summary.control_reason) == (RunControlState.PAUSED, "batch_failed")


def test_a_paused_run_makes_no_progress_until_it_is_resumed(world: Any, job: MakeJob) -> None:
    runner = world.new_process()
    run = runner.start(job(4))
    run.pause()
    assert run.control_state is RunControlState.PAUSED
    world.clock.advance(60)
    assert not run.refresh()
    with pytest.raises(RunPausedError):
        run.wait()
    run.resume()
    assert len(run.wait().results()) == 4


def test_waiting_ends_at_its_timeout_and_can_go_on(world: Any, job: MakeJob) -> None:
    world.server.run_time_s = 100
    run = world.new_process().start(job(4))
    before = world.clock.monotonic()
    with pytest.raises(WaitTimeoutError, match="4 open items"):
        run.wait(timeout=10)
    assert world.clock.monotonic() - before == pytest.approx(10, abs=1)
    assert len(run.wait().results()) == 4


def test_results_before_the_end_are_refused_and_can_be_iterated(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(4))
    with pytest.raises(RunNotFinishedError, match="4 open items"):
        run.results()
    assert list(run.iter_results()) == []


def test_terminal_results_are_read_in_pages_without_gaps(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(10))
    seen, after = [], 0
    while True:
        page = run.read_terminal_results(after_sequence=after, limit=3)
        seen += [result.item_id for result in page.items]
        after = page.next_after_sequence
        if not page.has_more:
            break
    assert sorted(seen) == sorted(f"item-{n}" for n in range(10))


def test_another_process_reads_and_drives_a_run_without_its_job(world: Any, job: MakeJob) -> None:
    world.new_process().start(job(10), run_id="shared")
    run = world.new_process().get_run("shared")
    assert run.summary().counts.submitted == 10
    assert len(run.wait().results()) == 10


def test_a_run_that_is_not_read_whole_needs_its_job(world: Any, job: MakeJob) -> None:
    def broken(item: BatchItem[str]) -> str:
        raise ValueError("no")

    with pytest.raises(PromptBuildError):
        world.new_process().start(job(4, build_prompt=broken), run_id="half")
    with pytest.raises(JobRequiredError, match="run_id='half'"):
        world.new_process().get_run("half").wait()


def test_another_configuration_is_refused_with_both_sides(world: Any, job: MakeJob) -> None:
    world.new_process().start(job(4), run_id="fixed")
    with pytest.raises(ConfigChangedError, match=r"fake-1.*fake-2"):
        world.new_process().start(job(4, provider_config=FakeProviderConfig(model="fake-2")), run_id="fixed")


def stopped_at(item_id: str) -> Callable[[BatchItem[str]], str]:
    """A `build_prompt` that raises for one item."""

    def build_prompt(item: BatchItem[str]) -> str:
        if item.item_id == item_id:
            raise ValueError("stop here")
        return item.payload

    return build_prompt


ROWS = [BatchItem(f"item-{n}", f"prompt {n}", {"n": n}) for n in range(10)]
CHANGED_ROWS = {
    "other ids": ([BatchItem(f"other-{n}", "x") for n in range(10)], "item number 1 with the id 'other-0'"),
    "one other prompt": ([*ROWS[:5], BatchItem("item-5", "changed"), *ROWS[6:]], "item number 6 'item-5' with another"),
    "fewer items": (ROWS[:3], "only 3 items"),
}


@pytest.mark.parametrize(("items", "difference"), CHANGED_ROWS.values(), ids=CHANGED_ROWS)
def test_a_list_that_begins_otherwise_is_refused_with_the_first_difference(
    world: Any, job: MakeJob, items: list[BatchItem[str]], difference: str
) -> None:
    with pytest.raises(PromptBuildError):
        world.new_process().start(job(10, build_prompt=stopped_at("item-9")), run_id="fixed")
    with pytest.raises(SourceChangedError, match=difference):
        world.new_process().start(job(items=items), run_id="fixed")


def test_a_generator_that_is_made_anew_goes_on_behind_what_is_stored(world: Any, job: MakeJob) -> None:
    with pytest.raises(PromptBuildError):
        world.new_process().start(job(items=iter(ROWS), build_prompt=stopped_at("item-9")), run_id="fixed")
    run = world.new_process().run_and_wait(job(items=iter(ROWS)), run_id="fixed")
    assert len(run.results()) == 10
    assert len(world.executed) == 10


def test_another_identity_of_the_job_is_refused(world: Any, job: MakeJob) -> None:
    world.new_process().start(job(4, identity={"template": "one"}), run_id="fixed")
    with pytest.raises(ConfigChangedError, match=r"identity.*one.*two"):
        world.new_process().start(job(4, identity={"template": "two"}), run_id="fixed")


@pytest.mark.parametrize("run_id", ["", "../../x", "/abs", "a" * 300, "a\0b", "a\n", ".hidden", "a/b", "a..b"])
def test_a_hostile_run_id_is_refused_before_anything_is_stored(world: Any, job: MakeJob, run_id: str) -> None:
    runner = world.new_process()
    with pytest.raises(InvalidRunIdError):
        runner.start(job(1), run_id=run_id)
    with pytest.raises(InvalidRunIdError):
        runner.get_run(run_id)
    assert runner.runs() == []


def test_an_unknown_run_names_the_nearest(world: Any, job: MakeJob) -> None:
    runner = world.new_process()
    runner.start(job(1), run_id="customers_2026")
    with pytest.raises(RunNotFoundError, match="customers_2026"):
        runner.get_run("customer_2026")


def test_an_observer_that_raises_harms_nothing(world: Any, job: MakeJob) -> None:
    def broken(event: object) -> None:
        raise RuntimeError("observer")

    run = world.new_process(observer=broken).run_and_wait(job(4))
    assert run.status is RunLifecycleStatus.COMPLETED


def test_events_tell_the_story_of_a_run(world: Any, job: MakeJob) -> None:
    world.new_process().run_and_wait(job(4))
    kinds = [event.event_type for event in world.events if event.event_type is not EventType.BATCH_POLLED]
    assert kinds == [
        EventType.RUN_CREATED,
        EventType.ITEMS_INGESTED,
        EventType.BATCH_PREPARED,
        EventType.BATCH_SUBMITTED,
        EventType.ITEMS_INGESTED,
        EventType.BATCH_ENDED,
        EventType.ITEMS_COMPLETED,
        EventType.BATCH_COLLECTED,
        EventType.RUN_FINISHED,
    ]
