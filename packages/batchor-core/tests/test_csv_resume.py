import json
import os
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.errors import SourceError, SourceRowError
from batchor_core.json_types import JsonValue

HEADER = b"id,text\n"
MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.csv"


def source_of(path: Path, content: bytes | None = None, **options: Any) -> CsvItemSource[Any]:
    if content is not None:
        path.write_bytes(content)
    given: dict[str, Any] = {"item_id_from_row": lambda row: row["id"], "payload_from_row": lambda row: row} | options
    return CsvItemSource(path, **given)


def checkpoint_behind(source: CsvItemSource[Any], count: int) -> JsonValue:
    with closing(source.open(None)) as cursor:
        assert len(list(islice(cursor, count))) == count
        return cursor.checkpoint()


def ids_behind(source: CsvItemSource[Any], checkpoint: JsonValue) -> list[str]:
    with closing(source.open(checkpoint)) as cursor:
        return [item.item_id for item in cursor]


def test_a_refused_row_is_not_passed_over(path: Path) -> None:
    with closing(source_of(path, b'id,text\na,"1\n1"\nbad\nc,3\n').open(None)) as cursor:
        for _ in range(2):
            with pytest.raises(SourceRowError, match="line 4"):
                list(cursor)


HOLE_BYTES = 50_000_000_000


def test_reading_on_reads_nothing_that_lies_before(path: Path) -> None:
    source = source_of(path, HEADER + b"a,1\n")
    checkpoint: Any = checkpoint_behind(source, 1)
    os.truncate(path, HOLE_BYTES)
    with path.open("ab") as file:
        file.write(b"\n" + b"a,1\n" * 1_000)
    began = time.perf_counter()
    assert len(ids_behind(source, checkpoint | {"offset": HOLE_BYTES + 1})) == 1_000
    assert time.perf_counter() - began < 2


def test_reading_on_begins_behind_the_last_item(path: Path) -> None:
    source = source_of(path, b'\xef\xbb\xbfid,text\r\na,"1\r\n1"\r\n\r\nb,2\r\nc,3')
    checkpoint = json.loads(json.dumps(checkpoint_behind(source, 2)))
    assert ids_behind(source, checkpoint) == ["c"]


def test_reading_on_tells_line_numbers_of_the_whole_file(path: Path) -> None:
    source = source_of(path, b'id,text\na,"1\n1"\nb,2\nbad\n')
    with pytest.raises(SourceRowError, match="line 5"):
        ids_behind(source, checkpoint_behind(source, 2))


def test_reading_on_goes_on_counting_the_items(path: Path) -> None:
    source = source_of(path, b"id\na\nb\nc\n")
    with closing(source.open(checkpoint_behind(source, 2))) as cursor:
        lineage: list[Any] = [item.metadata["batchor_lineage"] for item in cursor]
    assert [each["source_item_index"] for each in lineage] == [2]


def test_a_checkpoint_does_not_grow_with_the_columns(path: Path) -> None:
    names = ",".join(["id", *(f"c{number}" for number in range(1_000))])
    checkpoint = checkpoint_behind(source_of(path, f"{names}\n{names}\n".encode()), 1)
    assert len(json.dumps(checkpoint)) < 200


@pytest.mark.parametrize("header", [b"id,txet\n", b"text,id\n"])
def test_another_header_is_refused_when_reading_on(path: Path, header: bytes) -> None:
    checkpoint = checkpoint_behind(source_of(path, HEADER + b"a,1\nb,2\n"), 1)
    with pytest.raises(SourceError, match="the header or the delimiter is not the one that the run began with; rest"):
        source_of(path, header + b"a,1\nb,2\n").open(checkpoint)


def test_another_delimiter_is_refused_when_reading_on(path: Path) -> None:
    checkpoint = checkpoint_behind(source_of(path, HEADER + b"a,1\nb,2\n"), 1)
    with pytest.raises(SourceError, match="the header or the delimiter"):
        source_of(path, delimiter=";").open(checkpoint)


@pytest.mark.parametrize("content", [HEADER, HEADER + b"aa,11\nb,2\n"])
def test_a_file_that_no_longer_fits_the_checkpoint_is_refused(path: Path, content: bytes) -> None:
    checkpoint = checkpoint_behind(source_of(path, HEADER + b"a,1\nb,2\n"), 1)
    path.write_bytes(content)
    with pytest.raises(SourceError, match="byte 12, where the run stopped reading, is not the end of a line"):
        source_of(path).open(checkpoint)
