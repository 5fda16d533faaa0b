import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.domain.item import BatchItem
from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError, SourceRowError

GOOD = b'{"id":"a"}\n'
MIB = 1 << 20
USES: list[Callable[[JsonlItemSource[Any]], object]] = [
    lambda source: source.identity(),
    lambda source: source.open(None),
    list,
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


def source_of(path: Path, content: bytes | None = None, **options: Any) -> JsonlItemSource[Any]:
    if content is not None:
        path.write_bytes(content)
    given: dict[str, Any] = {"item_id_from_row": lambda row: row["id"], "payload_from_row": lambda row: row} | options
    return JsonlItemSource(path, **given)


def ids(path: Path, content: bytes) -> list[str]:
    return [item.item_id for item in source_of(path, content)]


def lineage_of(item: BatchItem[Any]) -> Any:
    return item.metadata["batchor_lineage"]


def line_of(item_id: object) -> bytes:
    return json.dumps({"id": item_id}, ensure_ascii=False).encode() + b"\n"


def test_a_row_becomes_an_item(path: Path) -> None:
    source = JsonlItemSource(
        path,
        item_id_from_row=lambda row: str(row["id"]),
        payload_from_row=lambda row: row["text"],
        metadata_from_row=lambda row: {"n": row["n"]},
    )
    path.write_bytes(b'{"id": 7, "text": "hello", "n": 1}\n')
    lineage = {
        "source_ref": str(path),
        "source_item_index": 0,
        "source_primary_key": "7",
        "source_namespace": None,
        "partition_id": None,
    }
    assert list(source) == [BatchItem("7", "hello", {"n": 1, "batchor_lineage": lineage})]


def test_lineage_tells_the_path_as_it_was_given(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    path.write_bytes(GOOD)
    source = JsonlItemSource("./items.jsonl", item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)
    assert lineage_of(next(iter(source)))["source_ref"] == "./items.jsonl"


def test_a_path_that_is_no_text_is_told_as_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl"))
    source = source_of(path, GOOD)
    assert lineage_of(next(iter(source)))["source_ref"] == f"{tmp_path}/\\xff.jsonl"
    assert source.identity().reference == f"{tmp_path}/\\xff.jsonl"


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [(None, "the metadata is a NoneType"), (["a"], "is a list"), ({"batchor_lineage": 1}, "'batchor_lineage'.*rename")],
)
def test_metadata_that_has_no_room_for_lineage_is_named_by_file_and_line(
    path: Path, metadata: object, problem: str
) -> None:
    source = source_of(path, b"\n" + GOOD, metadata_from_row=lambda row: metadata)
    with pytest.raises(InvalidItemError, match=rf"items\.jsonl, line 2: .*{problem}"):
        list(source)


def test_100_000_columns_are_read(path: Path) -> None:
    row = {"id": "a", **{f"c{number}": number for number in range(99_999)}}
    assert [item.payload for item in source_of(path, json.dumps(row).encode())] == [row]


# What is read


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"id":"a"}\n{"id":"b"}\n', id="plain"),
        pytest.param(b'{"id":"a"}\n{"id":"b"}', id="no final newline"),
        pytest.param(b'{"id":"a"}\r\n{"id":"b"}\r\n', id="carriage returns"),
        pytest.param(b'\xef\xbb\xbf{"id":"a"}\n{"id":"b"}\n', id="byte order mark"),
        pytest.param(b'\n  \n{"id":"a"}\n\r\n\t\n{"id":"b"}\n\n\n', id="blank lines"),
        pytest.param(b'  {"id":"a"}  \n\t{"id":"b"}\n', id="spaces around"),
    ],
)
def test_two_rows_are_read(path: Path, content: bytes) -> None:
    assert ids(path, content) == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n\r\n"])
def test_a_file_without_rows_has_no_items(path: Path, content: bytes) -> None:
    assert ids(path, content) == []


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_other_line_separators_stay_inside_of_a_line(path: Path, separator: str) -> None:
    assert ids(path, line_of(f"a{separator}b")) == [f"a{separator}b"]


@pytest.mark.parametrize("item_id", ["a/b", "../..", "'\"`", "🙂", "עברית", "\u202eabc", "a\nb", "x" * 10_000])
def test_any_text_is_an_id(path: Path, item_id: str) -> None:
    assert ids(path, line_of(item_id)) == [item_id]


def test_escaped_surrogate_pairs_are_text(path: Path) -> None:
    assert ids(path, b'{"id":"\\ud83d\\ude42"}\n') == ["🙂"]


def test_the_last_of_two_equal_keys_counts(path: Path) -> None:
    assert ids(path, b'{"id":"a","id":"b"}\n') == ["b"]


# What is refused


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(b'{"id":', "Expecting value at character 8; write one JSON object on each line", id="half a row"),
        pytest.param(b"id,text", "Expecting value at character 1", id="CSV"),
        pytest.param(b'{"id":"a"} {"id":"b"}', "Extra data", id="two objects"),
        pytest.param(b'[{"id":"a"}]', "holds a list; write one JSON object on each line", id="array"),
        pytest.param(b'"a"', "holds a str", id="string"),
        pytest.param(b"null", "holds a NoneType", id="null"),
        pytest.param(b'{"id":"a","x":NaN}', "NaN is no JSON number", id="NaN"),
        pytest.param(b'{"id":"a","x":[-Infinity]}', "-Infinity is no JSON number", id="infinity"),
        pytest.param(b'{"id":"\xff"}', "byte 8 is not UTF-8; save the file as UTF-8", id="invalid UTF-8"),
        pytest.param(b'{"id":"\xed\xa0\x80"}', "is not UTF-8", id="encoded surrogate"),
        pytest.param('{"id":"a"}'.encode("utf-16"), "byte 1 is not UTF-8", id="UTF-16"),
        pytest.param(b'{"id":"a","x":"\\ud800"}', "half of a surrogate pair", id="lone surrogate"),
        pytest.param(b'{"id":"a","\\uDC00":1}', "half of a surrogate pair", id="lone surrogate in a key"),
        pytest.param(b"[" * 200_000, "nested too deeply", id="nesting"),
        pytest.param(b'{"id":' + b"9" * 5_000 + b"}", "is not a row of JSON: Exceeds the limit", id="huge number"),
        pytest.param(b'{"id":"a\x00"}', "Invalid control character", id="raw NUL"),
        pytest.param(
            b'{"id":"' + b"x" * 4 * MIB + b'"}', "longer than 4194304 bytes; shorten it, or raise", id="4 MiB"
        ),
    ],
)
def test_a_bad_line_is_named_with_its_fault(path: Path, line: bytes, problem: str) -> None:
    source = source_of(path, GOOD + line + b"\n" + GOOD)
    with pytest.raises(SourceRowError, match=rf"items\.jsonl, line 2: .*{problem}") as caught:
        list(source)
    assert (caught.value.reference, caught.value.line) == (str(path), 2)


def test_rows_before_a_bad_line_are_read(path: Path) -> None:
    rows = iter(source_of(path, b'{"id":"a"}\n{"id":"b"}\n{bad\n{"id":"c"}\n'))
    assert [item.item_id for item in islice(rows, 2)] == ["a", "b"]
    with pytest.raises(SourceRowError, match="line 3"):
        next(rows)


@pytest.mark.parametrize("item_id", [7, 1.5, None, True, ["a"], {"a": 1}, "", "a\0b", "x" * 10_001])
def test_an_unusable_id_is_named_by_file_and_line(path: Path, item_id: object) -> None:
    source = source_of(path, GOOD + b"\n" + json.dumps({"id": item_id}).encode())
    with pytest.raises(InvalidItemError, match=r"items\.jsonl, line 3: the item id .*;"):
        list(source)


def test_a_missing_key_names_the_keys_of_the_row(path: Path) -> None:
    source = source_of(path, b'{"ID":"a","text":"x"}\n')
    with pytest.raises(
        SourceRowError, match=r"line 1: .* raised KeyError: 'id'; keys of the row: 'ID', 'text'; correct"
    ):
        list(source)


@pytest.mark.parametrize("function", ["item_id_from_row", "payload_from_row", "metadata_from_row"])
def test_a_function_that_raises_is_told_with_the_line(path: Path, function: str) -> None:
    def divide(row: dict[str, Any]) -> Any:
        return 1 / 0

    with pytest.raises(SourceRowError, match=r"line 1: .* raised ZeroDivisionError: division by zero; .*correct"):
        list(source_of(path, GOOD, **{function: divide}))


def test_a_row_of_many_long_keys_gives_a_short_message(path: Path) -> None:
    row = {f"{n}{'k' * 1_000}": n for n in range(1_000)}
    with pytest.raises(SourceRowError) as caught:
        list(source_of(path, json.dumps(row).encode()))
    assert len(str(caught.value)) < 700 + len(str(path))


@pytest.mark.parametrize("use", USES, ids=["identity", "open", "iterate"])
def test_a_missing_file_is_told(path: Path, use: Any) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*; correct the path"):
        use(source_of(path))


@pytest.mark.parametrize("use", USES, ids=["identity", "open", "iterate"])
def test_a_directory_is_told(tmp_path: Path, use: Any) -> None:
    with pytest.raises(SourceError, match="is a directory; give the path of a file"):
        use(source_of(tmp_path))


# Large rows


def test_a_row_of_60_mb_is_refused_by_default(path: Path) -> None:
    source = source_of(path, GOOD + large_row(60_000_000))
    with pytest.raises(SourceRowError, match="line 2: is longer than 4194304 bytes"):
        list(source)


def test_a_row_of_60_mb_is_read_with_a_higher_limit(path: Path) -> None:
    source = source_of(path, GOOD + large_row(60_000_000), max_row_bytes=64 * MIB)
    assert [len(item.payload.get("text", "")) for item in source] == [0, 60_000_000]


def large_row(size: int) -> bytes:
    return b'{"id":"large","text":"' + b"x" * size + b'"}\n'


def test_a_line_of_exactly_the_limit_is_read(path: Path) -> None:
    assert len(list(source_of(path, GOOD, max_row_bytes=len(GOOD)))) == 1


def test_a_line_of_one_byte_more_is_refused(path: Path) -> None:
    with pytest.raises(SourceRowError, match="longer than 10 bytes"):
        list(source_of(path, GOOD, max_row_bytes=len(GOOD) - 1))


REFUSE_A_LARGE_ROW = """
import resource, sys, time
from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.errors import SourceRowError

source = JsonlItemSource(sys.argv[1], item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)
rss_before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
source.identity()
try:
    list(source)
except SourceRowError:
    seconds = time.perf_counter() - began
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss_before, seconds)
"""


def test_a_row_of_210_mb_is_refused_quickly_and_in_little_memory(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'{"id":"large","text":"')
        for _ in range(210):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n')
    child = subprocess.run(
        [sys.executable, "-c", REFUSE_A_LARGE_ROW, str(path)], capture_output=True, text=True, check=True
    )
    path.unlink()
    extra_kib, seconds = child.stdout.split()
    assert int(extra_kib) < 50_000
    assert float(seconds) < 2


@pytest.mark.parametrize("limit", [0, -2])
def test_a_limit_under_which_no_row_fits_is_refused(path: Path, limit: int) -> None:
    with pytest.raises(ConfigurationError, match=r"max_row_bytes is .*; give"):
        source_of(path, max_row_bytes=limit)


@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\u2028"])
@pytest.mark.parametrize("behind", ["", " ", "\r", " \r", "\t\t", "x", "{}", ",", "\u2028", "\x00"])
@pytest.mark.parametrize(
    "value", ['{"id":"a"}', '{"id": "a", "n": [1, {"id": "}"}]}', '{"id":"a"', "[1]", '{"id":1e400}']
)
def test_a_line_is_read_as_json_reads_it(path: Path, before: str, behind: str, value: str) -> None:
    line = f"{before}{value}{behind}\n"
    try:
        expected: Any = json.loads(line)
    except json.JSONDecodeError as error:
        expected = f"{error.msg} at character {error.pos + 1}"
    source = source_of(path, line.encode(), item_id_from_row=lambda _: "id")
    if isinstance(expected, dict):
        assert [item.payload for item in source] == [expected]
    else:
        with pytest.raises(SourceRowError, match=re.escape(expected) if isinstance(expected, str) else "holds a list"):
            list(source)
