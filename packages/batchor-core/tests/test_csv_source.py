import csv
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError, SourceRowError

HEADER = b"id,text\n"
MIB = 1 << 20
USES: list[Callable[[CsvItemSource[Any]], object]] = [
    lambda source: source.identity(),
    lambda source: source.open(None),
    list,
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.csv"


def source_of(path: Path, content: bytes | None = None, **options: Any) -> CsvItemSource[Any]:
    if content is not None:
        path.write_bytes(content)
    given: dict[str, Any] = {"item_id_from_row": lambda row: row["id"], "payload_from_row": lambda row: row} | options
    return CsvItemSource(path, **given)


def rows(path: Path, content: bytes, **options: Any) -> list[dict[str, str]]:
    return [item.payload for item in source_of(path, content, **options)]


def test_a_row_becomes_an_item_with_its_lineage(path: Path) -> None:
    source = source_of(
        path,
        b"id,text,n\n7,hello,1\n",
        payload_from_row=lambda row: row["text"],
        metadata_from_row=lambda row: {"n": row["n"]},
    )
    (item,) = source
    assert (item.item_id, item.payload) == ("7", "hello")
    assert item.metadata == {
        "n": "1",
        "batchor_lineage": {
            "source_ref": str(path),
            "source_item_index": 0,
            "source_primary_key": "7",
            "source_namespace": None,
            "partition_id": None,
        },
    }


# What is read


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"id,text\na,1\nb,2\n", id="plain"),
        pytest.param(b"id,text\na,1\nb,2", id="no final newline"),
        pytest.param(b"id,text\r\na,1\r\nb,2\r\n", id="carriage returns"),
        pytest.param(b"\xef\xbb\xbfid,text\na,1\nb,2\n", id="byte order mark"),
        pytest.param(b"\n\r\nid,text\n\n\na,1\n\r\nb,2\n\n", id="blank lines"),
        pytest.param(b'"id","text"\n"a","1"\n"b","2"', id="quoted"),
    ],
)
def test_two_rows_are_read(path: Path, content: bytes) -> None:
    assert rows(path, content) == [{"id": "a", "text": "1"}, {"id": "b", "text": "2"}]


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n\r\n", b"id,text", b"id,text\n", b"\xef\xbb\xbf\nid,text\n\n"]
)
def test_a_file_without_rows_has_no_items(path: Path, content: bytes) -> None:
    assert rows(path, content) == []


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "two\r\nlines",
        "\n\n",
        "a,b",
        'say "hi"',
        "a\u2028b\x85c",
        "🙂",
        "עברית",
        "\u202eabc",
        "../..",
        " spaces ",
        "NaN",
        "x" * 200_000,
    ],
    ids=lambda text: ascii(text[:10]),
)
def test_any_text_comes_back_from_its_cell(path: Path, text: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "text"], [text[:5000], text], ["b", ""]])
    assert [(item.item_id, item.payload["text"]) for item in source_of(path)] == [(text[:5000], text), ("b", "")]


def test_another_delimiter_can_be_given(path: Path) -> None:
    assert rows(path, b"id;text\na;1,5\n", delimiter=";") == [{"id": "a", "text": "1,5"}]


def test_spaces_in_a_single_column_are_a_value(path: Path) -> None:
    assert rows(path, b"id\n  \n\nb\n") == [{"id": "  "}, {"id": "b"}]


def test_100_000_columns_are_read(path: Path) -> None:
    names = ["id", *(f"c{number}" for number in range(99_999))]
    content = ",".join(names) + "\n" + ",".join(str(number) for number in range(100_000)) + "\n"
    (row,) = rows(path, content.encode())
    assert (len(row), row["id"], row["c99998"]) == (100_000, "0", "99999")


def test_the_programs_own_limit_on_fields_is_neither_obeyed_nor_touched(path: Path) -> None:
    limit = csv.field_size_limit(1_000)
    try:
        (row,) = rows(path, HEADER + b'a,"' + b"x" * 500_000 + b'"\n')
        assert (len(row["text"]), csv.field_size_limit()) == (500_000, 1_000)
    finally:
        csv.field_size_limit(limit)


# What is refused


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        pytest.param(b"a", "has 1 cells, and the header names 2 columns; complete it", id="too few cells"),
        pytest.param(b"a,b,c", "has 3 cells, and the header names 2 columns; quote the cells", id="too many cells"),
        pytest.param(b"a,b,", "has 3 cells", id="delimiter at the end"),
        pytest.param(b"  ", "has 1 cells", id="spaces alone"),
        pytest.param(b'a,"b', "a quote that is never closed; close it", id="open quote"),
        pytest.param(b'a,"b"c', "is not a row of CSV: .*double those inside", id="text behind a quote"),
        pytest.param(b"a,b\rc", "carriage return outside of quotes; end lines with LF or CRLF", id="stray CR"),
        pytest.param(b"a,\x00", "holds a NUL byte.*remove it", id="NUL"),
        pytest.param(b"a,\xff", "byte 3 of line 4 is not UTF-8; save the file as UTF-8", id="invalid UTF-8"),
        pytest.param(b"a,\xed\xa0\x80", "is not UTF-8", id="encoded surrogate"),
        pytest.param(b'a,"\n\n\xff"', "byte 1 of line 6 is not UTF-8", id="invalid UTF-8 lines later"),
        pytest.param(
            b"a," + b"x" * 4 * MIB, "is longer than 4194304 bytes; close its quotes, shorten it, or raise", id="4 MiB"
        ),
        pytest.param(b'a,"' + b"xxxxxxx\n" * (MIB // 2), "is longer than 4194304 bytes", id="4 MiB of lines"),
    ],
)
def test_a_bad_row_is_named_by_the_line_on_which_it_begins(path: Path, row: bytes, problem: str) -> None:
    source = source_of(path, b'id,text\na,"1\n2"\n' + row + b"\n")
    with pytest.raises(SourceRowError, match=rf"items\.csv, line 4: .*{problem}") as caught:
        list(source)
    assert (caught.value.reference, caught.value.line) == (str(path), 4)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"id,id,text,text", r"line 2: the header names more than one column 'id', 'text'; give each"),
        (b",id", r"line 2: the header gives column 1 no name; name each column"),
        (b"id,text,", r"line 2: the header gives column 3 no name"),
        (b"id,\xff", r"line 2: byte 4 of line 2 is not UTF-8"),
        ("id,text".encode("utf-16"), r"line 2: .* is not UTF-8"),
        (b"id,te\x00xt", r"line 2: holds a NUL"),
        (b'"id,text', r"line 2: .* never closed"),
    ],
)
def test_a_bad_header_is_named(path: Path, header: bytes, problem: str) -> None:
    with pytest.raises(SourceRowError, match=problem):
        list(source_of(path, b"\n" + header + b"\na,b\n"))


def test_a_missing_column_names_those_that_are_there(path: Path) -> None:
    with pytest.raises(SourceRowError, match=r"line 2: .* raised KeyError: 'id'; keys of the row: 'ID', 'text'; corr"):
        list(source_of(path, b"ID,text\na,b\n"))


def test_a_bad_row_of_many_columns_gives_a_short_message(path: Path) -> None:
    names = ",".join(f"{n}{'k' * 30}" for n in range(100_000))
    with pytest.raises(SourceRowError) as caught:
        list(source_of(path, f"{names}\n{names}\n".encode(), max_row_bytes=8 * MIB))
    assert len(str(caught.value)) < 700 + len(str(path))


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda row: 7, "7 is a int, not a str; convert it"),
        (lambda row: 1.5, "is a float"),
        (lambda row: None, "is a NoneType"),
        (lambda row: "", "is empty"),
        (lambda row: "x" * 10_001, "10001 bytes, the limit is 10000"),
        (lambda row: "a\0", "NUL"),
    ],
)
def test_an_unusable_id_is_named_by_file_and_line(path: Path, function: Any, problem: str) -> None:
    with pytest.raises(InvalidItemError, match=rf"items\.csv, line 3: the item id .*{problem}"):
        list(source_of(path, b"id\n\na\n", item_id_from_row=function))


def test_rows_before_a_bad_one_are_read(path: Path) -> None:
    items = iter(source_of(path, b"id,text\na,1\nb,2\nbad\nc,3\n"))
    assert [item.item_id for item in islice(items, 2)] == ["a", "b"]
    with pytest.raises(SourceRowError, match="line 4"):
        next(items)


@pytest.mark.parametrize("use", USES, ids=["identity", "open", "iterate"])
def test_a_missing_file_is_told(path: Path, use: Any) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*; correct the path"):
        use(source_of(path))


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\r", " "])
def test_what_cannot_delimit_cells_is_refused(path: Path, delimiter: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot delimit cells; give one character"):
        source_of(path, delimiter=delimiter)


# Large rows


def test_a_row_of_60_mb_is_read_with_a_higher_limit(path: Path) -> None:
    content = HEADER + b'a,"' + b"x" * 60_000_000 + b'"\n'
    assert [len(row["text"]) for row in rows(path, content, max_row_bytes=64 * MIB)] == [60_000_000]


def test_a_row_of_exactly_the_limit_is_read(path: Path) -> None:
    assert len(rows(path, HEADER + b'a,"\n23"\n', max_row_bytes=8)) == 1


def test_a_row_of_one_byte_more_is_refused(path: Path) -> None:
    with pytest.raises(SourceRowError, match="longer than 8 bytes"):
        rows(path, HEADER + b'a,"\n234"\n', max_row_bytes=8)


REFUSE_A_LARGE_ROW = """
import resource, sys, time
from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.errors import SourceRowError

source = CsvItemSource(sys.argv[1], item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)
rss_before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
try:
    list(source)
except SourceRowError:
    seconds = time.perf_counter() - began
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss_before, seconds)
"""


@pytest.mark.parametrize("megabyte", [b"x" * 1_000_000, b"x" * 99 + b"\n"], ids=["one line", "many lines"])
def test_a_row_of_210_mb_is_refused_quickly_and_in_little_memory(path: Path, megabyte: bytes) -> None:
    with path.open("wb") as file:
        file.write(HEADER + b'a,"')
        for _ in range(210):
            file.write(megabyte * (1_000_000 // len(megabyte)))
        file.write(b'"\n')
    child = subprocess.run(
        [sys.executable, "-c", REFUSE_A_LARGE_ROW, str(path)], capture_output=True, text=True, check=True
    )
    path.unlink()
    extra_kib, seconds = child.stdout.split()
    assert int(extra_kib) < 80_000
    assert float(seconds) < 2


@pytest.mark.parametrize("limit", [0, -2])
def test_a_limit_under_which_no_row_fits_is_refused(path: Path, limit: int) -> None:
    with pytest.raises(ConfigurationError, match=r"max_row_bytes is .*; give"):
        source_of(path, max_row_bytes=limit)
