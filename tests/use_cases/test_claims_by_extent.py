"""Batches are claimed and put together by extents where they can be: never other ones than row by row."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from batchor_core import BatchItem, ChunkPolicy, MemoryStateStore
from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.chunking import Extent, RequestRef
from batchor_core.domain.job import BatchJob
from batchor_testkit.fake_provider import FakeProviderConfig

type MakeJob = Callable[..., BatchJob[Any, None]]


class _Passing:
    """Another object, but for what a subclass says itself."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _RowByRow(_Passing):
    """Items whose extents fit into no batch: so each row has to be looked at."""

    def extent(self, run_id: str, *, first: int, limit: int) -> Extent:
        extent = self._inner.extent(run_id, first=first, limit=limit)
        return Extent(extent.end_index, 10**9, 10**12, 10**12)


class _WatchedRows(_Passing):
    """Items that note which rows are looked at."""

    def __init__(self, inner: Any, looked_at: list[RequestRef]) -> None:
        super().__init__(inner)
        self._looked_at = looked_at

    def requests(self, run_id: str, *, first: int, limit: int) -> Any:
        found = self._inner.requests(run_id, first=first, limit=limit)
        self._looked_at += found
        return found


class _Store(_Passing):
    """A state store whose items are wrapped."""

    def __init__(self, wrap: Callable[[Any], Any]) -> None:
        super().__init__(MemoryStateStore())
        self._wrap = wrap

    @contextmanager
    def transaction(self) -> Generator[Any]:
        with self._inner.transaction() as uow:
            uow.items = self._wrap(uow.items)
            yield uow

    @contextmanager
    def reading(self) -> Generator[Any]:
        with self._inner.reading() as uow:
            uow.items = self._wrap(uow.items)
            yield uow


def flaky_answers() -> Callable[[str], dict[str, Any] | None]:
    """No line for each third prompt when it is asked for the first time: those are sent again."""
    asked: set[str] = set()

    def answer(prompt: str) -> dict[str, Any] | None:
        first = prompt not in asked
        asked.add(prompt)
        return None if first and len(asked) % 3 == 0 else {"text": prompt}

    return answer


def sent(world: Any, job: BatchJob[Any, None]) -> list[bytes]:
    """The input files of a whole run, in the order in which they were uploaded."""
    world.server.answer = flaky_answers()
    world.new_process().run_and_wait(job, run_id="run")
    files = [world.server.files[batch.input_file_id] for batch in world.server.batches.values()]
    return [b"\n".join(line.partition(b"-")[2] for line in content.splitlines()) for content in files]


def prompt_of(item: BatchItem[str]) -> str:
    if item.payload.endswith("7"):
        raise ValueError("a prompt that can't be made")
    return item.payload * (1 + len(item.payload) % 3)


@pytest.mark.parametrize("max_requests", [1, 3, 4, 50])
@pytest.mark.parametrize("max_bytes", [150, 1_000, 200_000_000])
@pytest.mark.parametrize(
    "limits",
    [None, EnqueueLimits(enqueued_token_limit=60), EnqueueLimits(max_batch_enqueued_tokens=25)],
    ids=["unlimited", "budget", "batch"],
)
def test_the_same_batches_are_sent_as_row_by_row(
    world: Any, job: MakeJob, max_requests: int, max_bytes: int, limits: EnqueueLimits | None
) -> None:
    options: dict[str, Any] = {
        "chunk_policy": ChunkPolicy(max_requests=max_requests, max_batch_bytes=max_bytes),
        "provider_config": FakeProviderConfig(enqueue_limits=limits),
        "build_prompt": prompt_of,
        "on_prompt_error": "fail_item",
    }
    files = []
    for store in (MemoryStateStore(), _Store(_RowByRow)):
        fresh = type(world)(store, type(world.artifacts)())
        files.append(sent(fresh, job(23, **options)))
    assert files[0] == files[1]
    # Two prompts can't be made, and each third of the others is sent twice.
    assert sum(len(content.splitlines()) for content in files[0]) == 28


def test_two_rows_are_looked_at_for_a_batch_that_lies_in_one_piece(world: Any, job: MakeJob) -> None:
    looked_at: list[RequestRef] = []
    world.store = _Store(lambda items: _WatchedRows(items, looked_at))
    run = world.new_process().run_and_wait(job(20))
    assert (run.summary().batches, len(run.results())) == (5, 20)
    assert len(looked_at) == 2 * 5
