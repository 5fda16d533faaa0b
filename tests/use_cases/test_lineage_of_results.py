"""Where a result's row stood comes back as its source told it, though it is not stored row by row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchor_core import BatchItem, CompositeItemSource, CsvItemSource, JsonlItemSource, MemoryStateStore, failpoints
from batchor_core.domain.job import BatchJob
from batchor_core.domain.lineage import LineageSpan
from batchor_sqlite import SQLiteStorage

type MakeJob = Callable[..., BatchJob[Any, None]]


@pytest.fixture
def source(tmp_path: Path) -> CompositeItemSource:
    """Rows with and without metadata of their own, of files, of a list, of a composite in a composite."""
    csv, jsonl = tmp_path / "a.csv", tmp_path / "b.jsonl"
    csv.write_text("id,text\n" + "".join(f"{n},prompt {n}\n" for n in range(6)))
    jsonl.write_text("".join(json.dumps({"id": f"é{n}", "text": f"prompt {n}"}) + "\n" for n in range(6)))
    rows = CsvItemSource(csv, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row["text"])
    objects = JsonlItemSource(
        jsonl,
        item_id_from_row=lambda row: row["id"],
        payload_from_row=lambda row: row["text"],
        metadata_from_row=lambda row: {"mine": [row["id"], 1.5]},
    )
    items = [BatchItem(f"i{n}", f"prompt {n}", {"n": n} if n % 2 else {}) for n in range(5)]
    return CompositeItemSource([rows, CompositeItemSource([objects, items]), items])


def die(name: str) -> None:
    raise SystemExit(name)


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
def test_results_have_the_metadata_that_the_items_had(
    world: Any, job: MakeJob, source: CompositeItemSource, storage: str, tmp_path: Path
) -> None:
    world.store = MemoryStateStore() if storage == "memory" else SQLiteStorage(path=tmp_path / "state.sqlite3")
    # A process dies after each slice; the next one goes on in the midst of a span.
    for _ in range(5):
        failpoints.observe(lambda name: die(name) if name == "ingest.commit.after" else None)
        with pytest.raises(SystemExit):
            world.new_process().start(job(items=source), run_id="run").wait()
        failpoints.observe(None)
        world.outlive_leases()
    run = world.new_process().start(job(items=source), run_id="run").wait()
    given = {item.item_id: item.metadata for item in source}
    assert {result.item_id: result.metadata for result in run.results()} == given
    run.export_terminal_results(tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        metadata = json.dumps(given[json.loads(line)["item_id"]], ensure_ascii=False)
        assert f'"metadata": {metadata}, "usage"' in line
    assert len(lines) == len(given) == 22


def test_what_is_stored_is_one_span_for_each_source(
    world: Any, job: MakeJob, source: CompositeItemSource, tmp_path: Path
) -> None:
    world.new_process().run_and_wait(job(items=source), run_id="run")
    with world.store.reading() as uow:
        spans = uow.lineage.spans("run", first=0, last=100)
        metadata = [row.metadata for row in uow.items.page("run", first=0, limit=100)]
    assert list(spans) == [
        LineageSpan(0, str(tmp_path / "a.csv"), "s0"),
        LineageSpan(6, str(tmp_path / "b.jsonl"), "s1:s0"),
        LineageSpan(12, "list", "s1:s1"),
        LineageSpan(17, "list", "s2"),
    ]
    assert metadata[:7] == [None] * 6 + ['{"mine": ["é0", 1.5]}']
    assert metadata[17:] == [None, '{"n": 1}', None, '{"n": 3}', None]


def test_a_page_of_results_has_the_lineage_of_its_own_items(
    world: Any, job: MakeJob, source: CompositeItemSource
) -> None:
    run = world.new_process().run_and_wait(job(items=source))
    given = {item.item_id: item.metadata for item in source}
    after = 0
    while page := run.read_terminal_results(after_sequence=after, limit=3):
        assert {result.item_id: result.metadata for result in page.items}.items() <= given.items()
        after = page.next_after_sequence
        if not page.has_more:
            break
    assert after == len(given)
