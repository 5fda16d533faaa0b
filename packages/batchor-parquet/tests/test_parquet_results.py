"""Results as Arrow and Parquet, from runs against the provider in memory."""

import stat
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from batchor_core import BatchItem, BatchJob, BatchRunner, ChunkPolicy
from batchor_core.errors import ArtifactError
from batchor_parquet import iter_arrow, to_arrow, write_parquet
from batchor_testkit.fake_clock import FakeClock
from batchor_testkit.fake_provider import FakeProviderConfig, FakeProviderFactory, FakeServer


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Part(BaseModel):
    name: str
    weight: float | None


class Verdict(BaseModel):
    mood: Mood
    score: float
    count: int
    parts: list[Part]
    note: str | None
    either: int | str


class Tree(BaseModel):
    name: str
    children: list["Tree"]


def finished(answer: str, model: type[BaseModel] | None = None, *, count: int = 5) -> Any:
    clock = FakeClock()
    server = FakeServer(clock, answer=lambda _: {"text": answer})
    runner = BatchRunner("memory", clock=clock, providers={"fake": FakeProviderFactory(server)}, concurrency=1)
    return runner.run_and_wait(
        BatchJob(
            items=[BatchItem(f"i{n}", f"prompt {n}", {"n": n}) for n in range(count)],
            build_prompt=lambda item: item.payload,
            provider_config=FakeProviderConfig(),
            structured_output=model,
            chunk_policy=ChunkPolicy(max_requests=2),
        )
    )


VERDICT = '{"mood":"good","score":0.5,"count":3,"parts":[{"name":"a","weight":null}],"note":null,"either":7}'


def test_texts_are_written_and_read_back(tmp_path: Path) -> None:
    assert write_parquet(finished("hello"), tmp_path / "r.parquet") == 5
    rows = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert [row["item_id"] for row in rows] == [f"i{n}" for n in range(5)]
    assert rows[0]["output_text"] == "hello"
    assert rows[3]["metadata"] == '{"n": 3}'
    assert (rows[0]["status"], rows[0]["error_class"], rows[0]["output_tokens"]) == ("completed", None, 5)
    assert "output" not in rows[0]


def test_structured_answers_are_typed_columns() -> None:
    table = to_arrow(finished(VERDICT, Verdict))
    kind = table.schema.field("output").type
    assert kind.field("mood").type == pa.string()
    assert kind.field("score").type == pa.float64()
    assert kind.field("count").type == pa.int64()
    assert kind.field("parts").type == pa.list_(pa.struct([("name", pa.string()), ("weight", pa.float64())]))
    assert table["output"][0].as_py() == {
        "mood": "good",
        "score": 0.5,
        "count": 3,
        "parts": [{"name": "a", "weight": None}],
        "note": None,
        "either": "7",
    }


def test_a_recursive_answer_is_json_text() -> None:
    table = to_arrow(finished('{"name":"a","children":[{"name":"b","children":[]}]}', Tree))
    row = table["output"][0].as_py()
    assert row["name"] == "a"
    assert "b" in str(row["children"])


def test_a_failed_item_has_its_error_and_no_output() -> None:
    table = to_arrow(finished("not json", Verdict, count=1))
    (row,) = table.to_pylist()
    assert (row["output"], row["error_class"], row["output_text"]) == (None, "invalid_output", "not json")


def test_completion_order_is_the_order_of_sequences() -> None:
    sequences = to_arrow(finished("x"), order="completion")["sequence"].to_pylist()
    assert sequences == sorted(sequences)


def test_batches_hold_no_more_rows_than_asked() -> None:
    assert [batch.num_rows for batch in iter_arrow(finished("x"), batch_rows=2)] == [2, 2, 1]


def test_the_file_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_parquet(finished("x"), tmp_path / "r.parquet")
    assert stat.S_IMODE((tmp_path / "r.parquet").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_an_impossible_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="give another path"):
        write_parquet(finished("x"), tmp_path / "no" / "r.parquet")
