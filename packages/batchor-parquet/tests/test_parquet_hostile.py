"""Files and values that are not what they should be: each has one clear outcome, and no row before it is lost."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchor_core.errors import BatchorError, ConfigurationError, InvalidItemError, SourceError
from batchor_parquet import ParquetItemSource

MIB = 1 << 20


def source(path: Path, *columns: str, **options: Any) -> ParquetItemSource[Any]:
    given: dict[str, Any] = {
        "item_id_from_row": lambda row: str(row["id"]),
        "payload_from_row": lambda row: row,
    } | options
    return ParquetItemSource(path, columns=columns or ["id"], **given)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


def read_until_refused(items: ParquetItemSource[Any]) -> tuple[int, str]:
    count = 0
    try:
        for _ in items:
            count += 1
    except SourceError as error:
        return count, str(error)
    return count, ""


def invalid_text() -> pa.Array:
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])


JSON_FORMS: dict[str, tuple[pa.Array, list[Any]]] = {
    "nanoseconds in a list": (
        pa.array([[1_700_000_000_123_456_789], None], pa.list_(pa.timestamp("ns"))),
        [["2023-11-14T22:13:20.123456789"], None],
    ),
    "moments of another zone": (
        pa.array([0, 1], pa.timestamp("s", "Europe/Berlin")),
        ["1970-01-01T00:00:00+00:00", "1970-01-01T00:00:01+00:00"],
    ),
    "years 1 and 9999": (
        pa.array([-62_135_596_800, 253_402_300_799], pa.timestamp("s")),
        ["0001-01-01T00:00:00", "9999-12-31T23:59:59"],
    ),
    "uuid": (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16, None], pa.binary(16))),
        ["61616161-6161-6161-6161-616161616161", None],
    ),
    "bool8": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())), [True, None]),
    "large list": (pa.array([["a"], []], pa.large_list(pa.string())), [["a"], []]),
    "list view of bytes": (pa.array([[b"x"], None], pa.list_view(pa.binary())), [["eA=="], None]),
    "binary view": (pa.array([b"x", None], pa.binary_view()), ["eA==", None]),
    "fixed lists": (pa.array([[1.5, 2.0], None], pa.list_(pa.float32(), 2)), [[1.5, 2.0], None]),
    "dictionary in a struct": (
        pa.array([{"a": "x"}, None], pa.struct([("a", pa.dictionary(pa.int32(), pa.string()))])),
        [{"a": "x"}, None],
    ),
    "map of structs": (
        pa.array([[(7, {"at": 0})], None], pa.map_(pa.int32(), pa.struct([("at", pa.date32())]))),
        [[[7, {"at": "1970-01-01"}]], None],
    ),
    "equal keys in a map": (
        pa.array([[("a", 1), ("a", 2)], []], pa.map_(pa.string(), pa.int8())),
        [[["a", 1], ["a", 2]], []],
    ),
    "unsigned": (pa.array([2**64 - 1, 0], pa.uint64()), [2**64 - 1, 0]),
}


@pytest.mark.parametrize(("column", "expected"), JSON_FORMS.values(), ids=JSON_FORMS)
def test_values_become_what_json_can_hold(path: Path, column: pa.Array, expected: list[Any]) -> None:
    pq.write_table(pa.table({"id": [0, 1], "value": column}), path)
    values = [item.payload["value"] for item in source(path, "id", "value")]
    assert values == expected
    assert json.loads(json.dumps(values, allow_nan=False)) == values


REFUSED: dict[str, tuple[pa.Array, str]] = {
    "NaN": (pa.array([float("nan")]), "no JSON number"),
    "NaN in a list": (pa.array([[float("nan")]]), "no JSON number"),
    "half NaN": (pa.array([float("nan")], pa.float16()), "no JSON number"),
    "year 12000": (pa.array([316_516_636_800], pa.timestamp("s")), "years 1 to 9999"),
    "year 0": (pa.array([-62_135_596_801], pa.timestamp("s", "UTC")), "years 1 to 9999"),
    "far date": (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), "years 1 to 9999"),
    "text that is no UTF-8": (invalid_text(), "not UTF-8; write it as UTF-8"),
}


@pytest.mark.parametrize(("column", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_refused_value_is_named_by_row_and_column(path: Path, column: pa.Array, problem: str) -> None:
    pq.write_table(pa.table({"id": [1], "value": column}), path)
    with pytest.raises(SourceError, match=rf"rows\.parquet, row group 0, row 1: column 'value': .*{problem}"):
        list(source(path, "id", "value"))


@pytest.mark.parametrize("column", [column for column, _ in REFUSED.values()], ids=REFUSED)
def test_a_column_that_is_not_named_refuses_nothing(path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"id": [1], "value": column}), path)
    assert [item.payload for item in source(path, "id")] == [{"id": 1}]


def test_rows_before_a_refused_value_are_given(path: Path) -> None:
    values = [float("nan") if n == 800 else 0.5 for n in range(900)]
    pq.write_table(pa.table({"id": list(range(900)), "x": values}), path)
    count, refusal = read_until_refused(source(path, "id", "x"))
    assert count == 800
    assert "row group 0, row 801: column 'x'" in refusal


def test_numbers_that_are_none_may_be_read_as_none(path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "x": [float("inf"), 0.5], "l": [[float("nan"), 1.0], None]}), path)
    rows = [item.payload for item in source(path, "id", "x", "l", non_finite="null")]
    assert rows == [{"id": 1, "x": None, "l": [None, 1.0]}, {"id": 2, "x": 0.5, "l": None}]


def test_an_object_with_equal_members_is_refused(path: Path) -> None:
    doubled = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(pa.table({"id": [1], "value": doubled}), path)
    with pytest.raises(SourceError, match="column 'value' has an object with two members 'a'"):
        list(source(path, "id", "value"))


def test_columns_of_one_name_are_refused(path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"]), path)
    with pytest.raises(SourceError, match="two columns are called 'id'; rename one"):
        list(source(path))


def test_a_column_with_a_dot_in_its_name_is_read(path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "a.b": ["dot"], "a": [{"b": "member"}]}), path)
    assert [item.payload for item in source(path, "id", "a.b")] == [{"id": 1, "a.b": "dot"}]


def test_a_long_row_is_refused_by_its_bytes(path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2, 3], "text": ["x", "y" * 5 * MIB, "z"]}), path)
    count, refusal = read_until_refused(source(path, "id", "text"))
    assert count == 1
    assert "row 2: it takes 52428" in refusal
    assert "raise max_row_bytes" in refusal
    assert len(list(source(path, "id", "text", max_row_bytes=6 * MIB))) == 3


def test_a_named_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(SourceError, match="is not a regular file"):
        list(source(path))


def test_an_encrypted_file_is_said_to_be_encrypted(path: Path) -> None:
    path.write_bytes(b"PARE" + b"x" * 40 + (40).to_bytes(4, "little") + b"PARE")
    with pytest.raises(SourceError, match=r"rows\.parquet is encrypted"):
        list(source(path))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id\n1\n", b"PAR1" + b"\0" * 90 + b"\x59\0\0\0PAR1"])
def test_what_is_no_parquet_has_no_identity(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"rows\.parquet cannot be read as Parquet .*restore the file"):
        source(path).identity()


def damaged_copies(content: bytes, count: int) -> Iterator[bytes]:
    for seed in range(count):
        rnd = random.Random(seed)  # noqa: S311  repeatable on purpose
        damaged = bytearray(content)
        # Every second one is damaged in its footer alone, which is small and decides all.
        first = 0 if seed % 2 else len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        for _ in range(rnd.randint(1, 6)):
            damaged[rnd.randrange(first, len(damaged))] = rnd.randrange(256)
        yield bytes(damaged) if seed % 7 else bytes(damaged[: rnd.randrange(len(damaged))])


def test_any_damage_is_items_or_an_error_of_ours(path: Path) -> None:
    table = pa.table(
        {"id": list(range(60)), "text": [f"text {n % 7}" for n in range(60)], "l": [[n] for n in range(60)]}
    )
    pq.write_table(table, path, row_group_size=20)
    refused = 0
    for content in damaged_copies(path.read_bytes(), 300):
        path.write_bytes(content)
        try:
            list(source(path, "id", "text", "l"))
        except BatchorError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("bad", ["", 7, None])
def test_a_wrong_id_is_not_passed_over(path: Path, bad: object) -> None:
    pq.write_table(pa.table({"id": ["a", "b", "c"]}), path)
    items = source(path, item_id_from_row=lambda row: bad if row["id"] == "b" else row["id"])
    with closing(items.open(None)) as cursor:
        given: list[str] = []
        for _ in range(2):
            with pytest.raises(InvalidItemError, match="row group 0, row 2"):
                given.extend(item.item_id for item in cursor)
    assert given == ["a"]


@pytest.mark.parametrize("options", [{"non_finite": "zero"}, {"max_row_bytes": 0}])
def test_an_option_that_means_nothing_is_refused_at_once(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="give"):
        source(path, **options)


def test_a_column_that_is_named_twice_is_refused_at_once(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="names 'id' twice"):
        source(path, "id", "id")
