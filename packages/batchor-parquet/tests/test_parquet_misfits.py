"""Answers and schemas that Arrow has no form for: no row and no answer is lost."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from batchor_core import BatchItem, BatchJob, BatchRunner, ChunkPolicy
from batchor_core.errors import ArtifactError, ConfigurationError
from batchor_parquet import iter_arrow, results_schema, to_arrow, write_parquet
from batchor_parquet.output_types import output_type
from batchor_testkit.fake_clock import FakeClock
from batchor_testkit.fake_provider import FakeProviderConfig, FakeProviderFactory, FakeServer


class Count(BaseModel):
    n: int


class Score(BaseModel):
    x: float


class Note(BaseModel):
    s: str


class Tree(BaseModel):
    name: str
    children: list["Tree"]


def finished(answers: list[str], model: type[BaseModel] | None) -> Any:
    clock = FakeClock()
    server = FakeServer(clock, answer=lambda prompt: {"text": answers[int(prompt)]})
    runner = BatchRunner("memory", clock=clock, providers={"fake": FakeProviderFactory(server)}, concurrency=1)
    return runner.run_and_wait(
        BatchJob(
            items=[BatchItem(f"i{n}", str(n)) for n in range(len(answers))],
            build_prompt=lambda item: item.payload,
            provider_config=FakeProviderConfig(),
            structured_output=model,
            chunk_policy=ChunkPolicy(max_requests=2),
        )
    )


@pytest.mark.parametrize(
    ("model", "fitting", "misfit"),
    [
        (Count, '{"n": 7}', '{"n": 9223372036854775808}'),
        (Score, '{"x": 7}', '{"x": 9007199254740993}'),
        (Note, '{"s": "seven"}', '{"s": "\\ud800"}'),
    ],
)
def test_an_answer_that_its_type_cannot_hold_stays_as_text(
    tmp_path: Any, model: type[BaseModel], fitting: str, misfit: str
) -> None:
    answers = [fitting, misfit, fitting]
    assert write_parquet(finished(answers, model), tmp_path / "r.parquet") == 3
    table = pq.read_table(tmp_path / "r.parquet")
    assert table["output_text"].to_pylist() == answers
    assert [output is None for output in table["output"].to_pylist()] == [False, True, False]


def test_an_integral_float_is_an_integer() -> None:
    assert to_arrow(finished(['{"n": 7.0}'], Count))["output"].to_pylist() == [{"n": 7}]


def test_what_contains_itself_is_json_text_below() -> None:
    table = to_arrow(finished(['{"name":"a","children":[{"name":"b","children":[]}]}'], Tree))
    children = table.schema.field("output").type.field("children")
    assert table["output"][0].as_py() == {"name": "a", "children": ['{"name":"b","children":[]}']}
    assert children.type.value_field.metadata == {b"batchor.content": b"json"}


def test_a_member_is_a_column_of_its_own() -> None:
    (batch,) = iter_arrow(finished(['{"n": 1}', '{"n": 2}'], Count))
    assert batch.column("output").field("n").to_pylist() == [1, 2]


TEXT, INTEGER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(True, None, id="anything"),
        pytest.param({}, None, id="nothing said"),
        pytest.param({"type": ["integer", "null"]}, pa.int64(), id="a list of types"),
        pytest.param({"type": ["integer", "string"]}, None, id="two types"),
        pytest.param({"anyOf": [INTEGER, {"type": "null"}]}, pa.int64(), id="nullable"),
        pytest.param({"anyOf": [INTEGER, TEXT]}, None, id="union"),
        pytest.param({"enum": ["a", None]}, pa.string(), id="texts"),
        pytest.param({"enum": [1, 2]}, pa.int64(), id="integers"),
        pytest.param({"enum": [1, "a"]}, None, id="mixed"),
        pytest.param({"const": True}, pa.bool_(), id="constant"),
        pytest.param({"type": "array"}, None, id="list of anything"),
        pytest.param({"type": "object", "properties": {}}, None, id="object without members"),
        pytest.param({"type": "object", "additionalProperties": INTEGER}, None, id="free keys"),
        pytest.param(
            {"type": "object", "properties": {"a": TEXT}, "additionalProperties": INTEGER}, None, id="free keys too"
        ),
        pytest.param({"$ref": "#/$defs/Nowhere"}, None, id="a reference to nothing"),
        pytest.param({"$ref": "https://example.org/schema"}, None, id="a remote reference"),
        pytest.param({"type": "array", "items": INTEGER}, pa.list_(pa.int64()), id="list"),
    ],
)
def test_a_schema_has_its_type_or_is_json_text(schema: Any, expected: pa.DataType | None) -> None:
    column = output_type({"type": "object", "properties": {"x": schema}, "additionalProperties": False})
    field = column.arrow.field("x")
    assert field.type == (pa.string() if expected is None else expected)
    assert (field.metadata is not None) == (expected is None)


def test_parts_that_multiply_end_in_json_text() -> None:
    level: Any = TEXT
    definitions = {}
    for number in range(30):
        definitions[f"L{number}"] = level
        reference = {"$ref": f"#/$defs/L{number}"}
        level = {"type": "object", "properties": {"a": reference, "b": reference}, "additionalProperties": False}
    column = output_type({**level, "$defs": definitions})
    assert len(str(column.arrow)) < 100_000


def test_no_results_still_have_columns(tmp_path: Any) -> None:
    run = finished([], Count)
    assert write_parquet(run, tmp_path / "r.parquet") == 0
    assert pq.read_schema(tmp_path / "r.parquet").names == results_schema(run).names


def test_batches_of_no_rows_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="give at least 1"):
        iter_arrow(finished(["x"], None), batch_rows=0)


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Any) -> None:
    path = tmp_path / "r.parquet"
    path.mkdir()
    (path / "kept").touch()
    with pytest.raises(ArtifactError, match="what it held is as it was"):
        write_parquet(finished(["x"], None), path)
    assert [each.name for each in tmp_path.iterdir()] == ["r.parquet"]
    assert (path / "kept").exists()
