"""Rows are taken through ingestion together: nothing that a user sees differs from one by one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batchor_core import BatchItem, ChunkPolicy, SlicePolicy
from batchor_core.application.stretch import IteratedItems, StretchReader
from batchor_core.domain.events import EventType
from batchor_core.domain.job import BatchJob
from batchor_core.errors import InvalidItemError, PromptBuildError, SourceError
from batchor_testkit.fake_clock import FakeClock

type MakeJob = Callable[..., BatchJob[Any, None]]

LARGE = SlicePolicy(max_rows=1_000)


def items(count: int) -> list[BatchItem[str]]:
    return [BatchItem(f"item-{n}", f"prompt {n}") for n in range(count)]


def ingested(world: Any) -> list[int]:
    """How many rows each slice had."""
    return [event.data["ingested"] for event in world.events if event.event_type is EventType.ITEMS_INGESTED]


def failing_at(number: int) -> Callable[[BatchItem[Any]], str]:
    def build_prompt(item: BatchItem[Any]) -> str:
        if item.item_id == f"item-{number}":
            raise ValueError("no prompt")
        return str(item.payload)

    return build_prompt


def test_of_a_failing_prompt_and_a_wrong_id_behind_it_the_prompt_is_told(world: Any, job: MakeJob) -> None:
    rows = items(60)
    rows[45] = BatchItem("", "no id")
    with pytest.raises(PromptBuildError, match="item-40"):
        world.new_process(slice_policy=LARGE).start(job(items=rows, build_prompt=failing_at(40)))


def test_of_a_wrong_id_and_a_failing_prompt_behind_it_the_id_is_told(world: Any, job: MakeJob) -> None:
    rows = items(60)
    rows[40] = BatchItem("", "no id")
    with pytest.raises(InvalidItemError, match="item number 41: the item id is empty"):
        world.new_process(slice_policy=LARGE).start(job(items=rows, build_prompt=failing_at(45)))


def test_of_metadata_that_is_no_json_and_a_wrong_id_behind_it_the_metadata_is_told(world: Any, job: MakeJob) -> None:
    rows = items(60)
    rows[40] = BatchItem("item-40", "prompt", {"no": object()})
    rows[45] = BatchItem("", "no id")
    with pytest.raises(InvalidItemError, match="item number 41: the metadata of item 'item-40'"):
        world.new_process(slice_policy=LARGE).start(job(items=rows))


def test_of_a_failing_prompt_and_a_source_that_fails_behind_it_the_prompt_is_told(world: Any, job: MakeJob) -> None:
    def rows() -> Iterator[BatchItem[str]]:
        yield from items(45)
        raise SourceError("the source is broken")

    with pytest.raises(PromptBuildError, match="item-40"):
        world.new_process(slice_policy=LARGE).start(job(items=rows(), build_prompt=failing_at(40)))


def test_requests_of_half_a_surrogate_pair_fail_alone_in_their_places(world: Any, job: MakeJob) -> None:
    rows = items(60)
    rows[7], rows[40] = BatchItem("item-7", "\ud83d"), BatchItem("item-40", "\ud83d")
    policy = ChunkPolicy(max_requests=1_000)
    run = world.new_process(slice_policy=LARGE).run_and_wait(job(items=rows, chunk_policy=policy))
    failed = [result.item_id for result in run.iter_results() if result.error is not None]
    assert failed == ["item-7", "item-40"]
    assert len(world.executed) == 58


def test_a_source_that_becomes_slow_still_commits_when_the_time_of_a_slice_is_up(world: Any, job: MakeJob) -> None:
    def rows() -> Iterator[BatchItem[str]]:
        for number, item in enumerate(items(104)):
            world.clock.advance(3 if number >= 100 else 0)
            yield item

    policy = SlicePolicy(max_rows=1_000, max_seconds=5)
    world.new_process(slice_policy=policy).start(job(items=rows(), chunk_policy=ChunkPolicy(max_requests=1_000)))
    assert ingested(world) == [102, 2, 0]


def test_prompts_that_take_long_are_built_one_by_one(world: Any, job: MakeJob) -> None:
    def build_prompt(item: BatchItem[Any]) -> str:
        world.clock.advance(3)
        return str(item.payload)

    policy = SlicePolicy(max_rows=1_000, max_seconds=5)
    world.new_process(slice_policy=policy).start(job(items=items(6), build_prompt=build_prompt))
    assert ingested(world)[:2] == [2, 2]


def test_no_batch_has_more_requests_than_it_may_whatever_the_stretch(world: Any, job: MakeJob) -> None:
    run = world.new_process(slice_policy=LARGE).run_and_wait(
        job(items=items(100), chunk_policy=ChunkPolicy(max_requests=33))
    )
    assert run.summary().counts.completed == 100
    assert len({batch for batch, _ in world.server.ledger}) == 4


def take(reader: StretchReader, *, line_bytes: int, max_bytes: int = 10**9) -> int:
    length = len(reader.take(max_rows=1_000, max_bytes=max_bytes).items)
    reader.done(line_bytes=line_bytes)
    return length


def test_stretches_grow_where_rows_are_small_and_shrink_where_they_are_large() -> None:
    reader = StretchReader(IteratedItems(iter(items(1_000)), FakeClock()), FakeClock())
    assert [take(reader, line_bytes=300) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 64, 64]
    assert take(reader, line_bytes=2_000_000) == 64
    assert take(reader, line_bytes=2_000_000) == 2


def test_a_stretch_ends_where_the_room_for_bytes_does() -> None:
    reader = StretchReader(IteratedItems(iter(items(1_000)), FakeClock()), FakeClock())
    for _ in range(7):
        take(reader, line_bytes=300)
    assert take(reader, line_bytes=300, max_bytes=1_000) == 3
    assert take(reader, line_bytes=300, max_bytes=1) == 1


def test_an_error_of_the_source_comes_behind_the_rows_before_it() -> None:
    def rows() -> Iterator[BatchItem[str]]:
        yield from items(2)
        raise SourceError("the source is broken")

    reader = StretchReader(IteratedItems(rows(), FakeClock()), FakeClock())
    assert [take(reader, line_bytes=300) for _ in range(2)] == [1, 1]
    with pytest.raises(SourceError, match="broken"):
        take(reader, line_bytes=300)
