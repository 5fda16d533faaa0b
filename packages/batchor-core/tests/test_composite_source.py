import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.composite_source import CompositeItemSource
from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.domain.item import BatchItem
from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError, SourceRowError
from batchor_core.json_types import JsonValue
from batchor_core.ports.sources import CheckpointedItemSource

type Composite = CompositeItemSource


@pytest.fixture
def table(tmp_path: Path) -> CsvItemSource[Any]:
    path = tmp_path / "table.csv"
    path.write_text("id,text\na,1\nb,2\n")
    return CsvItemSource(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row["text"])


@pytest.fixture
def lines(tmp_path: Path) -> JsonlItemSource[Any]:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"id":"a"}\n{"id":"c"}\n')
    return JsonlItemSource(
        path,
        item_id_from_row=lambda row: row["id"],
        payload_from_row=lambda row: row,
        metadata_from_row=lambda row: {"mine": 1},
    )


@pytest.fixture
def empty(tmp_path: Path) -> JsonlItemSource[Any]:
    path = tmp_path / "empty.jsonl"
    path.touch()
    return JsonlItemSource(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)


def items(*ids: str) -> list[BatchItem[str]]:
    return [BatchItem(item_id, f"payload of {item_id}") for item_id in ids]


def ids(source: Composite) -> list[str]:
    return [item.item_id for item in source]


def lineage(source: Composite) -> list[Any]:
    return [item.metadata["batchor_lineage"] for item in source]


def checkpoints(source: Composite) -> list[JsonValue]:
    """Before each item, and behind the last one."""
    with closing(source.open(None)) as cursor:
        return [cursor.checkpoint(), *(cursor.checkpoint() for _ in cursor)]


def ids_behind(source: Composite, checkpoint: JsonValue) -> list[str]:
    with closing(source.open(json.loads(json.dumps(checkpoint)))) as cursor:
        return [item.item_id for item in cursor]


def test_equal_ids_of_different_sources_coexist(table: CsvItemSource[Any], lines: JsonlItemSource[Any]) -> None:
    assert ids(CompositeItemSource([table, lines])) == ["s0:a", "s0:b", "s1:a", "s1:c"]


def test_the_same_source_can_be_given_twice(table: CsvItemSource[Any]) -> None:
    assert ids(CompositeItemSource([table, table])) == ["s0:a", "s0:b", "s1:a", "s1:b"]


def test_namespaces_can_be_given(table: CsvItemSource[Any], lines: JsonlItemSource[Any]) -> None:
    assert ids(CompositeItemSource([table, lines], namespaces=["eu", "us"])) == ["eu:a", "eu:b", "us:a", "us:c"]


def test_ids_that_hold_the_separator_stay_apart() -> None:
    source = CompositeItemSource([items("s1:a", "a"), items("a", "s0:a")])
    assert ids(source) == ["s0:s1:a", "s0:a", "s1:a", "s1:s0:a"]


def test_lists_and_empty_sources_are_read_in_their_place(
    table: CsvItemSource[Any], empty: JsonlItemSource[Any]
) -> None:
    source = CompositeItemSource([empty, items("x"), [], table, empty])
    assert ids(source) == ["s1:x", "s3:a", "s3:b"]


def test_payloads_and_metadata_are_kept(lines: JsonlItemSource[Any]) -> None:
    first = next(iter(CompositeItemSource([lines])))
    assert (first.payload, first.metadata["mine"]) == ({"id": "a"}, 1)


# Lineage


def test_lineage_tells_the_own_id_the_namespace_and_the_place_in_the_own_source(
    table: CsvItemSource[Any], lines: JsonlItemSource[Any], tmp_path: Path
) -> None:
    assert lineage(CompositeItemSource([table, lines]))[3] == {
        "source_ref": str(tmp_path / "lines.jsonl"),
        "source_item_index": 1,
        "source_primary_key": "c",
        "source_namespace": "s1",
        "partition_id": None,
    }


def test_items_of_a_list_are_given_lineage() -> None:
    assert lineage(CompositeItemSource([items("x"), items("y", "z")]))[2] == {
        "source_ref": "list",
        "source_item_index": 1,
        "source_primary_key": "z",
        "source_namespace": "s1",
        "partition_id": None,
    }


def test_nested_composites_join_their_namespaces(table: CsvItemSource[Any]) -> None:
    source: Composite = CompositeItemSource([[], CompositeItemSource([table], namespaces=["in"])])
    assert ids(source) == ["s1:in:a", "s1:in:b"]
    assert [(each["source_namespace"], each["source_primary_key"]) for each in lineage(source)] == [
        ("s1:in", "a"),
        ("s1:in", "b"),
    ]


@pytest.mark.parametrize("own", ["text", None, {}, {"source_ref": "x"}])
def test_a_users_own_lineage_key_is_refused(own: JsonValue) -> None:
    source = CompositeItemSource([items("x"), [BatchItem("y", None, {"batchor_lineage": own})]])
    with pytest.raises(InvalidItemError, match=r"source s1, item number 1: .*'batchor_lineage'.*; rename yours"):
        list(source)


# Checkpoints


def test_reading_on_from_every_checkpoint_gives_the_rest(
    table: CsvItemSource[Any], lines: JsonlItemSource[Any], empty: JsonlItemSource[Any]
) -> None:
    source: Composite = CompositeItemSource([table, empty, CompositeItemSource([lines, table]), items("x", "y")])
    whole = list(source)
    for place, checkpoint in enumerate(checkpoints(source)):
        with closing(source.open(json.loads(json.dumps(checkpoint)))) as cursor:
            assert list(cursor) == whole[place:]


def test_sources_before_the_checkpoint_are_not_opened(table: CsvItemSource[Any], lines: JsonlItemSource[Any]) -> None:
    source = CompositeItemSource([table, lines])
    checkpoint = checkpoints(source)[3]
    unreadable: Any = Opened(table)
    assert ids_behind(CompositeItemSource([unreadable, lines]), checkpoint) == ["s1:c"]
    assert unreadable.times == 0


class Opened(CheckpointedItemSource[Any]):
    """Counts how often a source is opened."""

    def __init__(self, inner: CheckpointedItemSource[Any]) -> None:
        self._inner = inner
        self.times = 0

    def identity(self) -> Any:
        return self._inner.identity()

    def open(self, checkpoint: JsonValue) -> Any:
        self.times += 1
        return self._inner.open(checkpoint)

    def __iter__(self) -> Iterator[BatchItem[Any]]:
        return iter(self._inner)


@pytest.mark.parametrize(
    "checkpoint",
    [
        "text",
        {"source": 2, "items": 0, "checkpoint": None},
        {"source": -1, "items": 0, "checkpoint": None},
        {"source": 0, "items": -1, "checkpoint": None},
        {"source": 0, "items": 0},
        {"source": 0, "items": 0, "checkpoint": "text"},
    ],
)
def test_a_damaged_checkpoint_is_refused(
    table: CsvItemSource[Any], lines: JsonlItemSource[Any], checkpoint: JsonValue
) -> None:
    with pytest.raises(SourceError, match="is no checkpoint of"):
        CompositeItemSource([table, lines]).open(checkpoint)


# What is refused


def test_no_sources_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one source; give a list"):
        CompositeItemSource([])


@pytest.mark.parametrize(
    ("namespaces", "problem"),
    [
        (["a"], "1 namespaces for 2 sources; give one for each"),
        (["a", "a"], "occur twice"),
        (["a", ""], "'' is no namespace"),
        (["a", "b:c"], "'b:c' is no namespace; use 1 to 64 letters, digits"),
        (["a", "ä"], "is no namespace"),
        (["a", "b\n"], "is no namespace"),
        (["a", "x" * 65], "is no namespace"),
        (["a", 1], "1 is no namespace"),
    ],
)
def test_unusable_namespaces_are_refused(namespaces: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        CompositeItemSource([[], []], namespaces=namespaces)


def test_what_is_no_source_is_refused() -> None:
    with pytest.raises(SourceError, match="yields no items"):
        CompositeItemSource([7])  # type: ignore[list-item]  # ty: ignore[invalid-argument-type]


def test_an_id_that_is_too_long_with_its_namespace_is_refused() -> None:
    source = CompositeItemSource([items("x" * 9_997, "x" * 9_998)])
    with pytest.raises(
        InvalidItemError, match=r"source s0, item number 2: with its namespace, .*10001 bytes, the limit is 10000"
    ):
        list(source)


@pytest.mark.parametrize("act", [list, lambda cursor: cursor.checkpoint()], ids=["iterate", "checkpoint"])
def test_a_refused_item_is_not_passed_over(act: Callable[[Any], object]) -> None:
    with closing(CompositeItemSource([items("a", "x" * 10_000, "b")]).open(None)) as cursor:
        with pytest.raises(InvalidItemError):
            list(cursor)
        with pytest.raises(InvalidItemError, match="item number 2"):
            act(cursor)


class Numbers(CheckpointedItemSource[Any]):
    """A source that yields what is no item."""

    def identity(self) -> Any:
        raise NotImplementedError

    def open(self, checkpoint: JsonValue) -> Any:
        return (each for each in (7, BatchItem(7, None)))  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]

    def __iter__(self) -> Any:
        return self.open(None)


def test_what_is_no_item_is_refused() -> None:
    with pytest.raises(InvalidItemError, match=r"source s0, item number 1: a int is no item"):
        list(CompositeItemSource([Numbers()]))


def test_errors_of_a_source_come_through_as_they_are(table: CsvItemSource[Any], tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("id,text\na,1\nbad\n")
    with pytest.raises(SourceRowError, match=r"table\.csv, line 3: has 1 cells"):
        list(CompositeItemSource([[], table]))


# Identity


def test_the_identity_names_the_sources_in_their_order(
    table: CsvItemSource[Any], lines: JsonlItemSource[Any], tmp_path: Path
) -> None:
    identity = CompositeItemSource([table, lines]).identity()
    assert (identity.kind, identity.reference) == (
        "composite",
        f"s0 = csv {tmp_path}/table.csv, s1 = jsonl {tmp_path}/lines.jsonl",
    )


def test_the_reference_of_many_sources_is_short(table: CsvItemSource[Any]) -> None:
    identity = CompositeItemSource([table] * 1_000).identity()
    assert identity.reference.endswith(", 992 more")
    assert len(identity.fingerprint) == 64


def test_the_identity_depends_on_order_namespaces_and_content(
    table: CsvItemSource[Any], lines: JsonlItemSource[Any], tmp_path: Path
) -> None:
    many = [*[table] * 9, lines]
    identities = [
        CompositeItemSource([table, lines]).identity(),
        CompositeItemSource([lines, table]).identity(),
        CompositeItemSource([table]).identity(),
        CompositeItemSource([table, lines], namespaces=["a", "b"]).identity(),
        CompositeItemSource(many).identity(),
        CompositeItemSource(many[::-1]).identity(),
    ]
    (tmp_path / "lines.jsonl").write_text('{"id":"b"}\n{"id":"c"}\n')
    identities += [CompositeItemSource([table, lines]).identity(), CompositeItemSource(many).identity()]
    assert len({json.dumps(identity.to_json()) for identity in identities}) == 8


def test_stretches_of_rows_tell_their_lineage_with_the_namespace(table: CsvItemSource[Any]) -> None:
    with closing(CompositeItemSource([CompositeItemSource([table])], namespaces=["out"]).open(None)) as cursor:
        stretch = cursor.take(64)
    assert stretch.lineage is not None
    assert stretch.lineage.source_namespace == "out:s0"
    assert [item.item_id for item in stretch.items] == ["out:s0:a", "out:s0:b"]
    assert [item.metadata["batchor_lineage"]["source_primary_key"] for item in stretch.items] == ["a", "b"]


def test_a_stretch_ends_before_an_item_that_is_refused() -> None:
    with closing(CompositeItemSource([items("a", "b", "x" * 9_999, "d")]).open(None)) as cursor:
        assert [item.item_id for item in cursor.take(64).items] == ["s0:a", "s0:b"]
        for use in (lambda: cursor.take(64), cursor.checkpoint):
            with pytest.raises(InvalidItemError, match="source s0, item number 3"):
                use()
