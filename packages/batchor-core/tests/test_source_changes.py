import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.composite_source import CompositeItemSource
from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.application.iterable_source import IterableItemSource
from batchor_core.ports.sources import SourceIdentity, describe_change

GOOD = b'{"id":"a"}\n'
MIB = 1 << 20


def jsonl(path: Path, content: bytes | None = None) -> JsonlItemSource[Any]:
    if content is not None:
        path.write_bytes(content)
    return JsonlItemSource(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


def change(path: Path, before: bytes, after: bytes) -> str:
    stored = jsonl(path, before).identity()
    return describe_change(jsonl(path, after), SourceIdentity.from_json(stored.to_json()))


def test_appended_rows_are_said_as_such(path: Path) -> None:
    assert change(path, GOOD, GOOD * 2) == (
        f"rows were appended to {path}, which has grown from 11 to 22 bytes and begins as it did: "
        "read the new rows in a run of their own"
    )


def test_rows_appended_to_a_large_file_are_said_as_such(path: Path) -> None:
    path.touch()
    os.truncate(path, 100 * MIB)
    stored = jsonl(path).identity()
    os.truncate(path, 300 * MIB)
    assert describe_change(jsonl(path), stored).startswith("rows were appended")


def test_rows_appended_to_a_file_without_rows_are_said_as_such(path: Path) -> None:
    assert change(path, b"", GOOD).startswith("rows were appended")


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (GOOD.replace(b"a", b"b") * 2, "was changed, which has grown from 11 to 22 bytes"),
        (GOOD.replace(b"a", b"b"), "was changed, with 11 bytes as before"),
        (b"", "was changed, which has shrunk from 11 to 0 bytes"),
    ],
)
def test_changed_content_is_told_with_its_sizes(path: Path, after: bytes, said: str) -> None:
    assert change(path, GOOD, after) == f"the content of {path} {said}"


def test_another_file_is_told_with_both_names(path: Path, tmp_path: Path) -> None:
    stored = jsonl(tmp_path / "other.jsonl", b"").identity()
    told = describe_change(jsonl(path, GOOD), stored)
    assert told == f"the run reads jsonl {tmp_path}/other.jsonl, the job gives jsonl {path}"


def test_a_file_that_was_moved_is_told_to_have_the_same_content(path: Path, tmp_path: Path) -> None:
    stored = jsonl(tmp_path / "other.jsonl", GOOD).identity()
    told = describe_change(jsonl(path, GOOD), stored)
    assert told.endswith("which has the same content: give the path that the run was started with")


def test_another_kind_of_source_is_told(path: Path) -> None:
    stored = CsvItemSource(path, item_id_from_row=str, payload_from_row=str)
    path.write_bytes(GOOD)
    assert describe_change(jsonl(path), stored.identity()) == f"the run reads csv {path}, the job gives jsonl {path}"


def test_a_source_that_cannot_compare_is_told_by_its_identities() -> None:
    stored = SourceIdentity("iterable", "tuple", "")
    assert (
        describe_change(IterableItemSource([]), stored) == "the run reads iterable tuple, the job gives iterable list"
    )


# Composites


@pytest.fixture
def composite(tmp_path: Path) -> Callable[..., CompositeItemSource]:
    """Of as many files as contents are given; None leaves a file as it is."""
    return lambda *contents: CompositeItemSource(
        [jsonl(tmp_path / f"{number}.jsonl", content) for number, content in enumerate(contents)]
    )


def test_a_composite_tells_which_of_its_sources_have_changed(composite: Any, tmp_path: Path) -> None:
    stored = composite(GOOD, GOOD, GOOD).identity()
    assert describe_change(composite(GOOD, GOOD * 2, b""), stored) == (
        f"source s1: rows were appended to {tmp_path}/1.jsonl, which has grown from 11 to 22 bytes and begins as it "
        "did: read the new rows in a run of their own; "
        f"source s2: the content of {tmp_path}/2.jsonl was changed, which has shrunk from 11 to 0 bytes"
    )


def test_nested_composites_tell_it_too(composite: Any) -> None:
    stored = CompositeItemSource([composite(GOOD, GOOD)]).identity()
    told = describe_change(CompositeItemSource([composite(GOOD, GOOD * 2)]), stored)
    assert told.startswith("source s0: source s1: rows were appended to ")


def test_other_sources_of_a_composite_are_told(composite: Any) -> None:
    stored = composite(GOOD).identity()
    assert describe_change(composite(GOOD, GOOD), stored).startswith("the run reads composite s0 = jsonl ")


def test_a_composite_of_many_sources_tells_that_one_has_changed(composite: Any) -> None:
    stored = composite(*[GOOD] * 10).identity()
    told = describe_change(composite(*[GOOD] * 9, b""), stored)
    assert told.startswith("one of the sources of s0 = jsonl ")
    assert told.endswith(", 2 more was changed")
