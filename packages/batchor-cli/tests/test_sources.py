"""Which files are read how, and what is an id."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchor_cli.job_options import SourceOptions
from batchor_cli.sources import RowKind, item_source, row_kind
from batchor_core.errors import ConfigurationError, SourceError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", RowKind.JSONL),
        ("a.JSONL", RowKind.JSONL),
        ("a.ndjson", RowKind.JSONL),
        ("a.jsonl.gz", RowKind.JSONL),
        ("a.2026.csv", RowKind.CSV),
        ("a.csv.zst", RowKind.CSV),
        ("a.parquet", RowKind.PARQUET),
        ("folder", RowKind.PARQUET),
    ],
)
def test_the_ending_tells_the_kind_of_rows(tmp_path: Path, name: str, kind: RowKind) -> None:
    (tmp_path / "folder").mkdir()
    assert row_kind(tmp_path / name) is kind


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.gz", "rows.parquet.gz", "rows.jsonl.bz2"])
def test_an_ending_that_tells_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="tells no kind of rows"):
        row_kind(Path(name))


def items(path: Path, *lines: str, **options: Any) -> list[Any]:
    path.write_text("".join(f"{line}\n" for line in lines))
    return list(item_source(SourceOptions(input=[path], id_field="id", **options), prompt_fields=[]))


def test_ids_that_are_whole_numbers_become_text(tmp_path: Path) -> None:
    read = items(tmp_path / "a.jsonl", '{"id": 7}', '{"id": "x"}', '{"id": 12345678901234567890}')
    assert [item.item_id for item in read] == ["7", "x", "12345678901234567890"]


@pytest.mark.parametrize("value", ["1.0", "null", "true", '{"a": 1}', "[1]"])
def test_other_ids_are_refused_with_their_file_and_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(SourceError, match=r"a\.jsonl, line 2: .*'id' holds .*not text or a whole number"):
        items(tmp_path / "a.jsonl", '{"id": 1}', f'{{"id": {value}}}')


def test_a_carried_field_that_a_row_does_not_have_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.jsonl, line 2: .*no field 'size'"):
        items(tmp_path / "a.jsonl", '{"id": 1, "size": null}', '{"id": 2}', carry=["size"])


def test_a_tab_can_be_written_as_backslash_t(tmp_path: Path) -> None:
    (item,) = items(tmp_path / "a.csv", "id\ttext", "1\tone, two", csv_delimiter="\\t")
    assert item.payload == {"id": "1", "text": "one, two"}


def test_rows_may_be_as_long_as_allowed(tmp_path: Path) -> None:
    row = json.dumps({"id": 1, "text": "x" * 5_000_000})
    assert len(items(tmp_path / "a.jsonl", row, max_line_bytes=6_000_000)) == 1
    with pytest.raises(SourceError, match=r"a\.jsonl, line 1: is longer"):
        items(tmp_path / "a.jsonl", row)


def test_several_inputs_keep_their_order_and_their_equal_ids_apart(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id\n1\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1}\n'))
    inputs = [tmp_path / "b.csv", tmp_path / "a.jsonl.gz"]
    source = item_source(SourceOptions(input=inputs, id_field="id"), prompt_fields=[])
    assert [item.item_id for item in source] == ["s0:1", "s1:1"]


def test_a_folder_of_parquet_files_is_read_for_the_fields_that_are_needed(tmp_path: Path) -> None:
    for number in (1, 2):
        table = pa.table({"id": [number], "text": ["one"], "size": [1.5], "unread": [float("nan")]})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    options = SourceOptions(input=[tmp_path], id_field="id", carry=["size"])
    read = list(item_source(options, prompt_fields=["text", "id"]))
    assert [item.item_id for item in read] == ["1", "2"]
    assert read[0].payload == {"id": 1, "text": "one", "size": 1.5}
    assert read[0].metadata["size"] == 1.5
