"""Several files as one source: their order, their columns, and what tells one dataset from another."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchor_core.errors import SourceError
from batchor_core.ports.sources import describe_change
from batchor_parquet import ParquetItemSource

BIRDSTRIKES = Path(__file__).parents[3] / "examples" / "birdstrikes" / "birdstrikes.jsonl"


def write(path: Path, columns: dict[str, Any], *, row_group_size: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def source(path: Path | list[Path], *columns: str) -> ParquetItemSource[Any]:
    return ParquetItemSource(
        path, columns=columns or ["id"], item_id_from_row=lambda row: str(row["id"]), payload_from_row=lambda row: row
    )


def ids(items: ParquetItemSource[Any]) -> list[str]:
    return [item.item_id for item in items]


def test_the_order_in_which_paths_are_given_does_not_matter(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.parquet", {"id": [name]}) for name in "cab"]
    assert ids(source(files)) == ["a", "b", "c"]
    assert source(files).identity() == source(files[::-1]).identity()


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"id": [1]})
    with pytest.raises(SourceError, match="named twice"):
        ids(source([tmp_path, file]))


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({"id": [1]}, {"id": [2.0]}, "integer in .*a.parquet and number in .*b.parquet"),
        ({"id": ["1"]}, {"id": [2]}, "text in .* and integer in"),
        ({"id": [[1]]}, {"id": [["a"]]}, "list of integer in .* and list of text in"),
        ({"id": [{"a": 1}]}, {"id": [{"b": 1}]}, "object of a integer in .* and object of b integer in"),
    ],
)
def test_columns_of_two_kinds_are_refused_before_anything_is_read(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], words: str
) -> None:
    write(tmp_path / "a.parquet", one)
    write(tmp_path / "b.parquet", other)
    with pytest.raises(SourceError, match=f"column 'id' is {words}.*; write the files with one schema"):
        source(tmp_path).identity()


def test_columns_of_one_kind_may_have_several_types(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"id": pa.array([1], pa.int8()), "text": pa.array(["x"]).dictionary_encode()})
    write(tmp_path / "b.parquet", {"text": pa.array([None]), "id": pa.array([2], pa.uint64())})
    write(tmp_path / "c.parquet", {"text": pa.array(["z"], pa.large_string()), "id": pa.array([3])})
    assert [item.payload for item in source(tmp_path, "id", "text")] == [
        {"id": 1, "text": "x"},
        {"id": 2, "text": None},
        {"id": 3, "text": "z"},
    ]
    assert source(tmp_path, "id", "text").identity().kind == "parquet"


def test_a_damaged_file_anywhere_is_told_before_a_run_is_stored(tmp_path: Path) -> None:
    write(tmp_path / "year=2025" / "a.parquet", {"id": [1]})
    (tmp_path / "year=2026").mkdir()
    (tmp_path / "year=2026" / "b.parquet").write_bytes(b"not at all")
    with pytest.raises(SourceError, match=r"b\.parquet cannot be read as Parquet"):
        source(tmp_path, "id", "year").identity()


def test_an_empty_first_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "k=1").mkdir()
    (tmp_path / "k=1" / "a.parquet").write_bytes(b"")
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read as Parquet"):
        ids(source(tmp_path))


def test_where_folder_and_file_have_a_column_the_files_counts(tmp_path: Path) -> None:
    write(tmp_path / "year=2026" / "a.parquet", {"id": [1], "year": ["MMXXVI"]})
    assert [item.payload for item in source(tmp_path, "id", "year")] == [{"id": 1, "year": "MMXXVI"}]


def test_a_folder_of_no_value_gives_none(tmp_path: Path) -> None:
    write(tmp_path / "k=__HIVE_DEFAULT_PARTITION__" / "a.parquet", {"id": [1]})
    write(tmp_path / "k=a%20b" / "a.parquet", {"id": [2]})
    assert {item.payload["k"] for item in source(tmp_path, "id", "k")} == {None, "a b"}


def test_partitions_alone_are_rows_too(tmp_path: Path) -> None:
    write(tmp_path / "id=7" / "a.parquet", {"x": [1, 2]})
    assert ids(source(tmp_path, "id")) == ["7", "7"]


def test_a_file_more_is_told_in_words(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"id": [1]})
    stored = source(tmp_path).identity()
    write(tmp_path / "b.parquet", {"id": [2]})
    said = describe_change(source(tmp_path), stored)
    assert f"the content of {tmp_path} was changed, which had 1 files with 1 rows" in said
    assert "has 2 files with 2 rows" in said
    assert "read new files in a run of their own" in said


def test_a_renamed_file_is_another_input(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"id": [1]})
    stored = source(tmp_path).identity()
    file.rename(tmp_path / "z.parquet")
    assert source(tmp_path).identity() != stored


def test_another_value_in_a_column_that_is_not_read_is_another_input(tmp_path: Path) -> None:
    stored = source(write(tmp_path / "a.parquet", {"id": [1], "x": [1]})).identity()
    assert source(write(tmp_path / "a.parquet", {"id": [1], "x": [2]})).identity() != stored


def checkpoint_behind(items: ParquetItemSource[Any], count: int) -> Any:
    cursor = items.open(None)
    for _ in zip(range(count), cursor, strict=False):
        pass
    cursor.close()
    return json.loads(json.dumps(cursor.checkpoint()))


def test_a_shorter_file_does_not_fit_the_checkpoint(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"id": list(range(95))}, row_group_size=10)
    checkpoint = checkpoint_behind(source(file), 93)
    write(file, {"id": list(range(20))}, row_group_size=10)
    with pytest.raises(SourceError, match="there is no row 3 in row group 9, where the run stopped reading"):
        source(file).open(checkpoint)


def test_other_files_do_not_fit_the_checkpoint(tmp_path: Path) -> None:
    write(tmp_path / "b.parquet", {"id": [1, 2]})
    checkpoint = checkpoint_behind(source(tmp_path), 1)
    write(tmp_path / "a.parquet", {"id": [0]})
    with pytest.raises(SourceError, match=r"'b\.parquet', which is 'a\.parquet' now; restore the files"):
        source(tmp_path).open(checkpoint)


def test_an_older_pass_that_is_dropped_leaves_the_younger_one_alone(tmp_path: Path) -> None:
    cursor = source(write(tmp_path / "a.parquet", {"id": list(range(9))}, row_group_size=2)).open(None)
    older = iter(cursor)
    next(older)
    younger = iter(cursor)
    next(younger)
    del older
    assert [item.item_id for item in younger] == [str(n) for n in range(2, 9)]
    cursor.close()


def test_real_rows_are_what_they_were_as_json_lines(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in BIRDSTRIKES.read_bytes().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "birdstrikes.parquet", row_group_size=700)
    assert [item.payload for item in source(tmp_path, *rows[0])] == rows
