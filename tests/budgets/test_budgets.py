"""What each step may cost, counted and not timed: statements, commits, syncs, encodings, bytes.

The numbers are exact. Who makes a step dearer changes a number here, and says why.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from batchor_artifacts import LocalArtifactStore
from batchor_core import BatchRunner, ChunkPolicy, JsonlItemSource, SlicePolicy
from batchor_core.domain.job import BatchJob
from batchor_sqlite import SQLiteStorage

type MakeJob = Callable[..., BatchJob[Any, None]]


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Generator[Counter[str]]:
    """Counts what the block does: `statements`, `commits`, `fsyncs`, `json` encodings, `bytes` given to write."""
    counts = Counter[str]()

    def statement(_connection: object, _cursor: object, text: str, *_rest: object) -> None:
        if not text.startswith("BEGIN"):
            counts["statements"] += 1

    def commit(_connection: object) -> None:
        counts["commits"] += 1

    def tallied[R](name: str, function: Callable[..., R]) -> Callable[..., R]:
        def call(*arguments: Any, **options: Any) -> R:
            counts[name] += 1
            return function(*arguments, **options)

        return call

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    before = bytes_written()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", tallied("fsyncs", os.fsync))
            patch.setattr(json.JSONEncoder, "encode", tallied("json", json.JSONEncoder.encode))
            yield counts
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)
        counts["bytes"] = bytes_written() - before


def bytes_written() -> int:
    """By this process so far, to files and pipes."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


@pytest.fixture
def runner(world: Any, tmp_path: Path) -> Iterator[BatchRunner]:
    """On SQLite and files, as users have it; the provider is in memory."""
    world.store = SQLiteStorage(path=tmp_path / "state.sqlite3")
    with world.new_process(
        artifact_store=LocalArtifactStore(tmp_path / "artifacts"), slice_policy=SlicePolicy(max_rows=1_000)
    ) as runner:
        yield runner


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[int], JsonlItemSource[Any]]:
    """A source of so many rows of 250 bytes."""

    def write(count: int) -> JsonlItemSource[Any]:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps({"id": f"row-{n}", "text": "x" * 225}) + "\n" for n in range(count)))
        return JsonlItemSource(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row["text"])

    return write


class Costs:
    """What the steps of a run of so many rows cost; its slices have 1,000 rows."""

    def __init__(
        self, runner: BatchRunner, world: Any, job: BatchJob[Any, None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with counted(monkeypatch) as self.ingest:
            self.run = runner.start(job, detach=True)
        with counted(monkeypatch) as self.send:
            assert runner.tick(self.run.run_id).made_progress
        with counted(monkeypatch) as self.idle:
            assert not runner.tick(self.run.run_id).made_progress
        world.clock.advance(60)
        with counted(monkeypatch) as self.collect:
            runner.tick(self.run.run_id)
        assert self.run.is_finished
        with counted(monkeypatch) as self.summary:
            self.run.summary()


type CostsOf = Callable[[int], Costs]


@pytest.fixture
def costs_of(
    runner: BatchRunner,
    world: Any,
    job: MakeJob,
    rows: Callable[[int], JsonlItemSource[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> CostsOf:
    def measure(count: int) -> Costs:
        whole = job(items=rows(count), chunk_policy=ChunkPolicy(max_requests=50_000))
        return Costs(runner, world, whole, monkeypatch)

    measure(1_000)  # what is done once only: the database is made, statements are compiled
    return measure


def without_bytes(counts: Counter[str]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if name != "bytes"}


def test_one_more_slice_is_one_commit_one_sync_and_a_handful_of_statements(costs_of: CostsOf) -> None:
    more = costs_of(3_000).ingest - costs_of(2_000).ingest
    # One encoding a row is the request line of the fake provider.
    assert without_bytes(more) == {"statements": 11, "commits": 1, "fsyncs": 1, "json": 1_002}


def test_one_more_slice_writes_each_request_once_and_little_beside_it(costs_of: CostsOf) -> None:
    more = costs_of(3_000).ingest - costs_of(2_000).ingest
    request_bytes = 300 * 1_000
    assert request_bytes < more["bytes"] < 1.5 * request_bytes


def test_sending_a_batch_costs_the_same_whatever_its_size(costs_of: CostsOf) -> None:
    small, large = costs_of(1_000).send, costs_of(5_000).send
    assert without_bytes(small) == without_bytes(large) == {"statements": 34, "commits": 4, "json": 9}


def test_collecting_a_batch_is_one_transaction_for_its_lines_whatever_their_number(costs_of: CostsOf) -> None:
    small, large = costs_of(1_000).collect, costs_of(5_000).collect
    fixed = {"statements": 43, "commits": 5, "fsyncs": 3}
    assert without_bytes(small) == {**fixed, "json": 1_011}
    # One encoding a row is the answer of the fake provider.
    assert without_bytes(large) == {**fixed, "json": 5_011}


def test_collecting_writes_each_answer_once_and_its_result(costs_of: CostsOf) -> None:
    more = costs_of(5_000).collect["bytes"] - costs_of(4_000).collect["bytes"]
    answer_bytes = 330 * 1_000
    assert answer_bytes < more < 2.5 * answer_bytes


def test_a_step_that_finds_nothing_to_do_reads_a_little_and_writes_nothing(costs_of: CostsOf) -> None:
    assert costs_of(3_000).idle == {"statements": 6, "bytes": 0}


def test_a_summary_is_one_statement(costs_of: CostsOf) -> None:
    assert costs_of(3_000).summary == {"statements": 1, "bytes": 0}
