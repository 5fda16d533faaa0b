import json
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import pytest

from batchor_core.domain.item_checks import metadata_text
from batchor_core.domain.lineage import (
    Lineage,
    LineageSpan,
    LineageWriter,
    in_namespace,
    metadata_fault,
    with_lineage,
)
from batchor_core.domain.told_lineage import ToldLineage
from batchor_core.json_types import JsonObject

LINEAGE = Lineage("a.csv", 3, "key")


def test_lineage_stands_beside_the_users_own_metadata() -> None:
    assert with_lineage({"mine": 1}, LINEAGE) == {
        "mine": 1,
        "batchor_lineage": {
            "source_ref": "a.csv",
            "source_item_index": 3,
            "source_primary_key": "key",
            "source_namespace": None,
            "partition_id": None,
        },
    }


def test_the_users_metadata_is_not_changed() -> None:
    mine: JsonObject = {"mine": 1}
    with_lineage(mine, LINEAGE)
    assert mine == {"mine": 1}


def test_a_namespace_is_put_into_the_lineage() -> None:
    assert in_namespace(with_lineage({"mine": 1}, LINEAGE), "s0") == with_lineage(
        {"mine": 1}, LINEAGE._replace(source_namespace="s0")
    )


def test_an_outer_namespace_is_put_before_an_inner_one() -> None:
    inner = with_lineage({}, LINEAGE._replace(source_namespace="in"))
    assert in_namespace(inner, "out") == with_lineage({}, LINEAGE._replace(source_namespace="out:in"))


@pytest.mark.parametrize("metadata", [{}, {"batchor_lineage": None}, {"batchor_lineage": {"source_ref": "a"}}, None, 7])
def test_metadata_without_lineage_takes_no_namespace(metadata: object) -> None:
    assert in_namespace(metadata, "s0") is None


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [(None, "is a NoneType, not an object"), ([], "is a list"), ({"batchor_lineage": 1}, "rename")],
)
def test_metadata_that_has_no_room_for_lineage_is_told(metadata: object, problem: str) -> None:
    assert problem in (metadata_fault(metadata) or "")


def test_other_metadata_has_room_for_lineage() -> None:
    assert metadata_fault({"lineage": 1}) is None


FIRST = {"batchor_lineage": LINEAGE.to_json()}
LINEAGES: list[Any] = [
    LINEAGE.to_json(),
    LINEAGE._replace(source_item_index=4).to_json(),
    LINEAGE._replace(source_item_index=5).to_json(),
    LINEAGE._replace(source_ref='é "\\ \u2028 😀', source_item_index=2**52).to_json(),
    LINEAGE._replace(source_namespace="s0", source_primary_key="y").to_json(),
    LINEAGE._replace(source_namespace="s0", source_primary_key="y", source_item_index=4).to_json(),
    LINEAGE._replace(partition_id="part-1").to_json(),
    LINEAGE._replace(source_namespace="", partition_id="").to_json(),
    # What no span gives back: it stays with its item.
    LINEAGE._replace(source_primary_key="not the id").to_json(),
    LINEAGE._replace(source_item_index=-1).to_json(),
    LINEAGE._replace(source_item_index=2**63).to_json(),
    {**LINEAGE.to_json(), "source_item_index": True},
    {**LINEAGE.to_json(), "source_item_index": 3.0},
    {**LINEAGE.to_json(), "source_ref": "a\0b"},
    {**LINEAGE.to_json(), "source_ref": None},
    {**LINEAGE.to_json(), "source_ref": {"nested": ["é"]}},
    {**LINEAGE.to_json(), "more": 1},
    dict(reversed(list(LINEAGE.to_json().items()))),
    {},
    None,
    "text",
]
ITEM_IDS = ["key", "s0:y", ":key"]
METADATA: list[Any] = [
    {},
    {"mine": 1},
    MappingProxyType({"batchor_lineage": LINEAGE.to_json()}),
    *({"batchor_lineage": lineage} for lineage in LINEAGES),
    *({"mine": [1, "é"], "batchor_lineage": lineage} for lineage in LINEAGES),
    {"batchor_lineage": LINEAGE.to_json(), "mine": "behind it"},
]


def stored_and_read(items: list[tuple[str, Any]], *, restart_at: int | None = None) -> list[str | None]:
    """The metadata of *items*, counted from 3, stored as a run stores it and read back."""
    writer, spans, stored = LineageWriter(None), list[LineageSpan](), list[str | None]()
    for index, (item_id, metadata) in enumerate(items, start=3):
        if index == restart_at:
            writer = LineageWriter(spans[-1] if spans else None)
        own = writer.own_metadata(metadata, item_id, index)
        stored.append(metadata_text(own, item_id=item_id, place=index))
        spans += writer.new_spans()
    told = ToldLineage(spans).metadata
    return [
        told(text, item_id, index)
        for index, (text, (item_id, _)) in enumerate(zip(stored, items, strict=True), start=3)
    ]


def as_given(items: list[tuple[str, Any]]) -> list[str | None]:
    return [metadata_text(metadata, item_id=item_id, place=0) for item_id, metadata in items]


@pytest.mark.parametrize("item_id", ITEM_IDS)
@pytest.mark.parametrize("before", METADATA, ids=repr)
def test_metadata_comes_back_byte_for_byte_whatever_its_lineage_is(before: Any, item_id: str) -> None:
    for after in METADATA:
        for restart_at in (None, 4, 5):
            items = [(item_id, before), (ITEM_IDS[0], after), (ITEM_IDS[1], after), (item_id, before)]
            assert stored_and_read(items, restart_at=restart_at) == as_given(items)


def test_the_text_is_that_of_the_json_encoder() -> None:
    metadata = {"mine": ["é", 1.5], **FIRST}
    assert stored_and_read([("key", metadata)]) == [json.dumps(metadata, ensure_ascii=False)]


def rows(reference: str, numbers: Iterable[int], **fields: Any) -> list[tuple[str, Any]]:
    return [(f"row-{n}", with_lineage({}, Lineage(reference, n, f"row-{n}", **fields))) for n in numbers]


def spans_of(items: list[tuple[str, Any]]) -> list[LineageSpan]:
    writer = LineageWriter(None)
    for index, (item_id, metadata) in enumerate(items):
        assert writer.own_metadata(metadata, item_id, index) == {}
    return writer.new_spans()


def test_neighbours_share_a_span_until_source_partition_or_count_changes() -> None:
    items = [
        *rows("a", range(3)),
        *rows("b", range(2)),
        *rows("b", [7, 8]),
        *rows("b", [9, 10], partition_id="p"),
        ("list", {}),
        *rows("b", [11]),
    ]
    assert spans_of(items) == [
        LineageSpan(0, "a"),
        LineageSpan(3, "b"),
        LineageSpan(5, "b", first_source_index=7),
        LineageSpan(7, "b", partition_id="p", first_source_index=9),
        LineageSpan(9, None),
        LineageSpan(10, "b", first_source_index=11),
    ]


def test_items_without_lineage_make_no_spans() -> None:
    assert spans_of([("a", {}), ("b", {})]) == []


def test_the_users_own_metadata_is_left_when_its_lineage_is_taken_out() -> None:
    metadata = with_lineage({"mine": 1}, LINEAGE)
    assert LineageWriter(None).own_metadata(metadata, "key", 0) == {"mine": 1}
    assert metadata == with_lineage({"mine": 1}, LINEAGE)


def test_a_span_that_is_stored_goes_on() -> None:
    writer = LineageWriter(LineageSpan(0, "a.csv", first_source_index=1))
    assert writer.own_metadata(with_lineage({}, LINEAGE), "key", 2) == {}
    assert writer.new_spans() == []
