"""For any rows, any split into sources and any checkpoint: reading on gives what reading undisturbed gives."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchor_core import BatchItem, CheckpointedItemSource, CompositeItemSource, CsvItemSource, JsonlItemSource
from batchor_core.errors import SourceError
from batchor_testkit.source_contract import take

type Row = dict[str, str]

# Few letters, so that quotes, line ends and delimiters are frequent.
TEXT = st.text(alphabet=st.sampled_from('ab",;\n\r\t \u2028\u00e9\U0001f642')) | st.text(
    alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=20
)
ROW = st.fixed_dictionaries({"id": TEXT.filter(bool), "text": TEXT})
KINDS = ["jsonl", "jsonl.gz", "csv", "csv.gz", "list"]
SPLIT = st.lists(st.tuples(st.sampled_from(KINDS), st.lists(ROW, max_size=6)), min_size=1, max_size=4)

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def file_content(kind: str, rows: Sequence[Row], *, line_end: str) -> bytes:
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + line_end for row in rows).encode()
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, ["id", "text"], lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def source_of(kind: str, rows: Sequence[Row], *, path: Path, line_end: str) -> CheckpointedItemSource[Any] | list[Any]:
    if kind == "list":
        return [BatchItem(row["id"], row) for row in rows]
    name, _, compressed = kind.partition(".")
    content = file_content(name, rows, line_end=line_end)
    path.write_bytes(gzip.compress(content, 1) if compressed else content)
    of_kind = JsonlItemSource if name == "jsonl" else CsvItemSource
    return of_kind(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)


@quick
@given(kind=st.sampled_from(KINDS[:-1]), rows=st.lists(ROW, max_size=8), line_end=st.sampled_from(["\n", "\r\n"]))
def test_what_was_written_is_read(tmp_path: Path, kind: str, rows: list[Row], line_end: str) -> None:
    source = source_of(kind, rows, path=tmp_path / f"items.{kind}", line_end=line_end)
    assert [(item.item_id, item.payload) for item in source] == [(row["id"], row) for row in rows]


@quick
@given(split=SPLIT, line_end=st.sampled_from(["\n", "\r\n"]), data=st.data())
def test_resumed_is_undisturbed(
    tmp_path: Path, split: list[tuple[str, list[Row]]], line_end: str, data: st.DataObject
) -> None:
    def composite() -> CompositeItemSource:
        return CompositeItemSource(
            [
                source_of(kind, rows, path=tmp_path / f"{number}.{kind}", line_end=line_end)
                for number, (kind, rows) in enumerate(split)
            ]
        )

    undisturbed = list(composite())
    stops = data.draw(st.lists(st.integers(0, len(undisturbed)), max_size=5), label="items until the next stop")
    resumed: list[BatchItem[Any]] = []
    checkpoint = None
    for limit in [*stops, None]:
        piece, checkpoint = take(composite(), checkpoint, limit=limit)
        resumed += piece
    assert resumed == undisturbed
    assert len(undisturbed) == sum(len(rows) for _, rows in split)


@quick
@given(split=SPLIT)
def test_namespaced_ids_lead_back_to_their_rows(tmp_path: Path, split: list[tuple[str, list[Row]]]) -> None:
    sources = [
        source_of(kind, rows, path=tmp_path / f"{number}.{kind}", line_end="\n")
        for number, (kind, rows) in enumerate(split)
    ]
    items = list(CompositeItemSource(sources))
    expected = [(number, row["id"]) for number, (_, rows) in enumerate(split) for row in rows]
    led_back = [item.item_id.partition(":") for item in items]
    assert [(int(namespace.removeprefix("s")), item_id) for namespace, _, item_id in led_back] == expected
    lineage: list[Any] = [item.metadata["batchor_lineage"] for item in items]
    assert [(int(each["source_namespace"][1:]), each["source_primary_key"]) for each in lineage] == expected


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@quick
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_items_or_an_error_that_names_the_file(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / f"items.{kind}"
    path.write_bytes(content)
    of_kind = JsonlItemSource if kind == "jsonl" else CsvItemSource
    source = of_kind(path, item_id_from_row=lambda row: next(iter(row.values())), payload_from_row=lambda row: row)
    refusal = None
    try:
        list(source)
    except SourceError as error:
        refusal = str(error)
    assert refusal is None or str(path) in refusal
