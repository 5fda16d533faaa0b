import json
import os
import shutil
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.domain.item import BatchItem
from batchor_core.errors import SourceError, SourceRowError
from batchor_core.json_types import JsonValue

GOOD = b'{"id":"a"}\n'
MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


def source_of(path: Path, content: bytes | None = None, **options: Any) -> JsonlItemSource[Any]:
    if content is not None:
        path.write_bytes(content)
    given: dict[str, Any] = {"item_id_from_row": lambda row: row["id"], "payload_from_row": lambda row: row} | options
    return JsonlItemSource(path, **given)


def checkpoint_behind(source: JsonlItemSource[Any], count: int) -> JsonValue:
    with closing(source.open(None)) as cursor:
        assert len(list(islice(cursor, count))) == count
        return cursor.checkpoint()


def ids_behind(source: JsonlItemSource[Any], checkpoint: JsonValue) -> list[str]:
    with closing(source.open(checkpoint)) as cursor:
        return [item.item_id for item in cursor]


def lineage_of(item: BatchItem[Any]) -> Any:
    return item.metadata["batchor_lineage"]


def line_of(item_id: object) -> bytes:
    return json.dumps({"id": item_id}, ensure_ascii=False).encode() + b"\n"


def test_a_refused_row_is_not_passed_over(path: Path) -> None:
    with closing(source_of(path, b'{"id":"a"}\n{bad\n{"id":"c"}\n').open(None)) as cursor:
        for _ in range(2):
            with pytest.raises(SourceRowError, match="line 2"):
                list(cursor)


def test_a_function_may_return_the_same_dict_for_each_row(path: Path) -> None:
    same: dict[str, str] = {}
    source = source_of(
        path, b"".join(map(line_of, "abc")), metadata_from_row=lambda row: same.update(mine=row["id"]) or same
    )
    with closing(source.open(None)) as cursor:
        stretch = cursor.take(64)
    assert stretch.own == [{"mine": "a"}, {"mine": "b"}, {"mine": "c"}]
    assert [item.metadata["mine"] for item in stretch.items] == ["a", "b", "c"]


@pytest.mark.parametrize("bad", [b"{bad\n", b'{"no":"id"}\n', b'{"id":""}\n'], ids=["row", "function", "id"])
def test_a_stretch_ends_before_a_row_that_is_refused(path: Path, bad: bytes) -> None:
    with closing(source_of(path, line_of("a") + line_of("b") + bad + line_of("d")).open(None)) as cursor:
        assert [item.item_id for item in cursor.take(64).items] == ["a", "b"]
        before = cursor.checkpoint()
        for _ in range(2):
            with pytest.raises(SourceError, match="line 3"):
                cursor.take(64)
        assert cursor.checkpoint() == before
    path.write_bytes(line_of("a") + line_of("b") + line_of("c") + line_of("d"))
    assert ids_behind(source_of(path), before) == ["c", "d"]


def test_no_row_is_lost_when_somebody_interrupts(path: Path) -> None:
    interrupts = iter([False, True] + [False] * 20)

    def payload(row: Any) -> Any:
        if next(interrupts):
            raise KeyboardInterrupt
        return row

    with closing(source_of(path, b"".join(map(line_of, "abc")), payload_from_row=payload).open(None)) as cursor:
        with pytest.raises(KeyboardInterrupt):
            cursor.take(64)
        assert [item.item_id for item in cursor.take(64).items] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"id":"a"', b'"x":1}'],
        [b'{"id":"a","x":[{}', b"{}]}", b'{"id":"b"},{"id":"c"}'],
        [b'{"id":"a","x":[1', b"2]}", b'{"id":"b"},0,{"id":"c"}'],
        [b'{"id":"a"},{"id":"b"}', b""],
        [b'{"id":"a"}]', b'[{"id":"b"}'],
    ],
    ids=["members", "elements", "numbers", "two rows", "arrays"],
)
def test_lines_that_are_rows_only_together_are_refused(path: Path, lines: list[bytes]) -> None:
    with pytest.raises(SourceRowError, match="line 2"):
        list(source_of(path, GOOD + b"".join(line + b"\n" for line in lines)))


def test_a_corrected_row_is_read_from_the_checkpoint_before_it(path: Path) -> None:
    source = source_of(path, b'{"id":"a"}\n{bad\n{"id":"c"}\n')
    with closing(source.open(None)) as cursor:
        with pytest.raises(SourceRowError):
            list(cursor)
        checkpoint = cursor.checkpoint()
    path.write_bytes(b'{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n')
    assert ids_behind(source, checkpoint) == ["b", "c"]


# Checkpoints


def test_lineage_goes_on_counting_behind_a_checkpoint(path: Path) -> None:
    source = source_of(path, GOOD + b"\n" + GOOD * 2)
    with closing(source.open(checkpoint_behind(source, 2))) as cursor:
        assert [lineage_of(item)["source_item_index"] for item in cursor] == [2]


HOLE_BYTES = 50_000_000_000


def test_reading_on_reads_nothing_that_lies_before(path: Path) -> None:
    source = source_of(path, b"")
    os.truncate(path, HOLE_BYTES)
    with path.open("ab") as file:
        file.write(b"\n" + GOOD * 1_000)
    checkpoint = {"kind": "jsonl", "offset": HOLE_BYTES + 1, "line": 7, "items": 7, "header": None}
    began = time.perf_counter()
    assert len(ids_behind(source, checkpoint)) == 1_000
    assert time.perf_counter() - began < 2


def test_reading_on_begins_behind_the_last_item(path: Path) -> None:
    source = source_of(path, b'\xef\xbb\xbf{"id":"a"}\r\n\r\n{"id":"b"}\r\n{"id":"c"}')
    checkpoint = json.loads(json.dumps(checkpoint_behind(source, 2)))
    assert ids_behind(source, checkpoint) == ["c"]


def test_reading_on_tells_line_numbers_of_the_whole_file(path: Path) -> None:
    source = source_of(path, GOOD * 5 + b"{bad\n")
    with pytest.raises(SourceRowError, match="line 6"):
        ids_behind(source, checkpoint_behind(source, 3))


@pytest.mark.parametrize("content", [b"", GOOD, GOOD * 2 + b'{"id":"longer rows"}\n' * 5, b"x" * 100])
def test_a_file_that_no_longer_fits_the_checkpoint_is_refused(path: Path, content: bytes) -> None:
    source = source_of(path, GOOD * 3)
    checkpoint = checkpoint_behind(source, 3)
    path.write_bytes(content)
    with pytest.raises(
        SourceError, match=r"byte 33, where the run stopped reading, is not the end of a line; .*restore it"
    ):
        source.open(checkpoint)


@pytest.mark.parametrize(
    "checkpoint",
    [
        "text",
        {"kind": "jsonl", "offset": 0},
        {"kind": "jsonl", "offset": -1, "line": 0, "items": 0, "header": None},
        {"kind": "jsonl", "offset": 1.5, "line": 0, "items": 0, "header": None},
        {"kind": "csv", "offset": 0, "line": 0, "items": 0, "header": None},
    ],
)
def test_a_damaged_checkpoint_is_refused(path: Path, checkpoint: JsonValue) -> None:
    with pytest.raises(SourceError, match="is no checkpoint of a jsonl source"):
        source_of(path, GOOD).open(checkpoint)


# Identity


def test_the_identity_names_the_absolute_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(GOOD)
    monkeypatch.chdir(path.parent)
    assert source_of(Path("items.jsonl")).identity() == source_of(path).identity()
    assert source_of(path).identity().reference == str(path)


def test_the_identity_does_not_depend_on_the_time_of_the_last_change(path: Path) -> None:
    source = source_of(path, GOOD)
    before = source.identity()
    path.touch()
    assert source.identity() == before


def test_changed_content_of_equal_size_and_time_is_noticed(path: Path) -> None:
    rows = b"".join(line_of(f"{number:06}") for number in range(500_000))
    before, times = source_of(path, rows).identity(), path.stat()
    source = source_of(path, rows.replace(b"250000", b"x50000"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert source.identity().fingerprint != before.fingerprint


def test_a_copy_of_the_file_has_the_same_fingerprint(path: Path, tmp_path: Path) -> None:
    before = source_of(path, GOOD).identity()
    copy = Path(shutil.copy(path, tmp_path / "copy.jsonl"))
    assert source_of(copy).identity().fingerprint == before.fingerprint
