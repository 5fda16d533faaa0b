"""Parquet files as items: what rows become, hostile files, datasets, and reading on."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError
from batchor_core.ports.sources import CheckpointedItemSource
from batchor_parquet import ParquetItemSource
from batchor_testkit.source_contract import CheckpointedSourceContract


def row_id(row: dict[str, Any]) -> str:
    return str(row["id"])


def whole_row(row: dict[str, Any]) -> dict[str, Any]:
    return row


def write(path: Path, table: pa.Table | dict[str, Any], *, row_group_size: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, row_group_size=row_group_size)
    return path


def source(path: Path | list[Path], *columns: str, item_id: Callable[..., Any] = row_id) -> ParquetItemSource[Any]:
    wanted = list(columns) or ["id"]
    return ParquetItemSource(path, columns=wanted, item_id_from_row=item_id, payload_from_row=whole_row)


def ids(items: ParquetItemSource[Any]) -> list[str]:
    return [item.item_id for item in items]


class TestParquetFile(CheckpointedSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> CheckpointedItemSource[Any]:
        return source(write(tmp_path / "rows.parquet", {"id": list(range(20)), "text": ["x"] * 20}), "id", "text")

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        return [str(n) for n in range(20)]


class TestParquetFolder(CheckpointedSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> CheckpointedItemSource[Any]:
        for number in range(4):
            first = number * 5
            write(tmp_path / f"part={number}" / "rows.parquet", {"id": list(range(first, first + 5))}, row_group_size=2)
        write(tmp_path / "part=9" / "empty.parquet", {"id": pa.array([], pa.int64())})
        return source(tmp_path, "id", "part")

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        return [str(n) for n in range(20)]


COLUMNS: dict[str, tuple[pa.Array, Any]] = {
    "timestamp": (
        pa.array([datetime(2026, 4, 3, 12, 0, 0, 5, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "2026-04-03T12:00:00.000005+00:00",
    ),
    "naive nanoseconds": (pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")), "2023-11-14T22:13:20.123456789"),
    "date": (pa.array([date(2026, 4, 3)]), "2026-04-03"),
    "time": (pa.array([time(1, 2, 3)]), "01:02:03"),
    "duration": (pa.array([timedelta(seconds=90)]), 90.0),
    "decimal": (pa.array([Decimal("1234567890.120")]), "1234567890.120"),
    "binary": (pa.array([b"\x00\xff"]), "AP8="),
    "dictionary": (pa.array(["a"]).dictionary_encode(), "a"),
    "list": (pa.array([[1, None, 3]]), [1, None, 3]),
    "list of dates": (pa.array([[date(2026, 1, 1), None]]), ["2026-01-01", None]),
    "struct": (pa.array([{"a": 1, "b": {"c": Decimal("0.5")}}]), {"a": 1, "b": {"c": "0.5"}}),
    "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [["k", 1]]),
    "large string": (pa.array(["x"], pa.large_string()), "x"),
    "half": (pa.array([1.5], pa.float32()).cast(pa.float16()), 1.5),
    "null": (pa.array([None]), None),
    "bool": (pa.array([True]), True),
    "big": (pa.array([2**63 - 1]), 2**63 - 1),
}


@pytest.mark.parametrize(("column", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_every_kind_of_value_becomes_one_that_json_can_hold(column: pa.Array, expected: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "kinds.parquet", {"id": [1], "value": column})
    (item,) = source(path, "id", "value")
    assert item.payload["value"] == expected
    assert json.loads(json.dumps(item.payload, allow_nan=False)) == item.payload


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_hold_is_refused_with_its_place(value: float, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"id": [1, 2, 3, 4], "x": [0.0, 1.0, 2.0, value]})
    with pytest.raises(SourceError, match=r"rows.parquet, row group 1, row 1: .* no JSON number"):
        ids(source(path, "id", "x"))
    assert ids(source(path)) == ["1", "2", "3", "4"]


def test_only_the_named_columns_are_given(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"id": [1], "text": ["t"], "other": ["o"]})
    (item,) = source(path, "id", "text")
    assert item.payload == {"id": 1, "text": "t"}


def test_files_of_a_folder_come_sorted_and_partitions_are_columns(tmp_path: Path) -> None:
    write(tmp_path / "year=2026" / "b.parquet", {"id": [2]})
    write(tmp_path / "year=2025" / "a.parquet", {"id": [1]})
    write(tmp_path / "_temporary" / "c.parquet", {"id": [3]})
    items = list(source(tmp_path, "id", "year"))
    assert [item.payload for item in items] == [{"id": 1, "year": 2025}, {"id": 2, "year": 2026}]


def test_lineage_tells_file_and_place(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"id": ["x"]})
    write(tmp_path / "b.parquet", {"id": ["y", "z"]})
    lineage = [item.metadata["batchor_lineage"] for item in source(tmp_path)]
    assert [(each["partition_id"], each["source_item_index"], each["source_primary_key"]) for each in lineage] == [
        ("a.parquet", 0, "x"),
        ("b.parquet", 1, "y"),
        ("b.parquet", 2, "z"),
    ]
    assert {each["source_ref"] for each in lineage} == {str(tmp_path)}


def test_lineage_goes_on_counting_after_a_resume(tmp_path: Path) -> None:
    items = source(write(tmp_path / "rows.parquet", {"id": list(range(10))}))
    cursor = items.open(None)
    rows = iter(cursor)
    for _ in range(7):
        next(rows)
    first = next(iter(items.open(cursor.checkpoint())))
    assert (first.item_id, first.metadata["batchor_lineage"]["source_item_index"]) == ("7", 7)


def test_a_resume_reads_no_row_group_before_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = source(write(tmp_path / "rows.parquet", {"id": list(range(100))}, row_group_size=10))
    cursor = items.open(None)
    rows = iter(cursor)
    for _ in range(95):
        next(rows)
    read: list[int] = []
    original = pq.ParquetFile.iter_batches

    def counted(self: pq.ParquetFile, *arguments: Any, **options: Any) -> Any:
        read.extend(options["row_groups"])
        return original(self, *arguments, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    assert [item.item_id for item in items.open(cursor.checkpoint())] == ["95", "96", "97", "98", "99"]
    assert read == [9]


def test_an_empty_file_has_no_items(tmp_path: Path) -> None:
    assert ids(source(write(tmp_path / "rows.parquet", {"id": pa.array([], pa.int64())}))) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "cannot be read"), (b"PAR1 not parquet PAR1", "cannot be read"), (b"id\n1\n", "cannot")],
)
def test_what_is_no_parquet_is_refused_by_name(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"rows.parquet {problem}.*restore the file"):
        ids(source(path))


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"id": list(range(1000))})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"rows\.parquet cannot be read"):
        ids(source(path))


def test_a_file_that_is_damaged_in_the_middle_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"id": [f"row-{n}" for n in range(10_000)]}, row_group_size=10_000)
    content = bytearray(path.read_bytes())
    content[20:2_000] = b"\xff" * 1_980
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"rows\.parquet cannot be read"):
        ids(source(path))


def test_a_missing_file_and_a_folder_without_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file"):
        ids(source(tmp_path / "none.parquet"))
    with pytest.raises(SourceError, match=r"holds no \*\.parquet file"):
        ids(source(tmp_path))


def test_a_missing_column_is_named_beside_those_that_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"id": [1], "text": ["x"]})
    with pytest.raises(SourceError, match=r"no column 'body'; it has 'id', 'text'"):
        ids(source(path, "id", "body"))


def test_a_file_of_the_folder_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"id": [1], "text": ["x"]})
    write(tmp_path / "b.parquet", {"id": [2]})
    with pytest.raises(SourceError, match=r"b\.parquet has no column 'text'"):
        ids(source(tmp_path, "id", "text"))


def test_a_function_that_raises_names_file_group_and_row(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"id": [1, 2, 3, 4, None]})
    with pytest.raises(SourceError, match=r"rows\.parquet, row group 1, row 2: .*TypeError"):
        ids(source(path, item_id=lambda row: str(row["id"] + 0)))


@pytest.mark.parametrize("bad", ["", 7, None, 1.5])
def test_an_id_that_is_no_text_names_file_group_and_row(bad: object, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"id": [1]})
    with pytest.raises(InvalidItemError, match=r"rows\.parquet, row group 0, row 1"):
        ids(source(path, item_id=lambda _: bad))


@pytest.mark.parametrize("checkpoint", [7, {}, {"file": 0}, {"file": -1, "row_group": 0, "row": 0, "items": 0}])
def test_a_damaged_checkpoint_is_refused(checkpoint: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no checkpoint"):
        source(write(tmp_path / "rows.parquet", {"id": [1]})).open(checkpoint)


def test_columns_must_be_named(tmp_path: Path) -> None:
    for columns in ([], "id"):
        with pytest.raises(ConfigurationError, match="columns must name"):
            ParquetItemSource(tmp_path, columns=columns, item_id_from_row=row_id, payload_from_row=whole_row)


def test_a_file_more_or_other_rows_make_another_source(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"id": [1]})
    before = source(tmp_path).identity()
    assert source(tmp_path).identity() == before
    write(tmp_path / "b.parquet", {"id": [2]})
    with_another = source(tmp_path).identity()
    write(tmp_path / "b.parquet", {"id": [3]})
    assert len({before, with_another, source(tmp_path).identity()}) == 3
