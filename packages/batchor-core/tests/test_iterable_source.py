from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from batchor_core.application.iterable_source import IterableItemSource, as_checkpointed
from batchor_core.domain.item import BatchItem
from batchor_core.errors import InvalidItemError, SourceError
from batchor_core.json_types import JsonValue
from batchor_core.ports.sources import CheckpointedItemSource


def items(*ids: str) -> list[BatchItem[str]]:
    return [BatchItem(item_id, f"payload of {item_id}") for item_id in ids]


def checkpoint_behind(source: IterableItemSource[Any], count: int) -> JsonValue:
    cursor = source.open(None)
    list(islice(cursor, count))
    return cursor.checkpoint()


def ids_from(source: CheckpointedItemSource[Any], checkpoint: JsonValue) -> list[str]:
    return [item.item_id for item in source.open(checkpoint)]


class RowsOfAUser:
    """Repeatable, and no list."""

    def __iter__(self) -> Iterator[BatchItem[str]]:
        yield from items("a", "b", "c")


def test_a_list_is_taken_up_behind_a_checkpoint() -> None:
    source = IterableItemSource(items("a", "b", "c", "d"))
    assert ids_from(source, checkpoint_behind(source, 2)) == ["c", "d"]


def test_a_repeatable_iterable_is_taken_up_in_another_process() -> None:
    checkpoint = checkpoint_behind(IterableItemSource(RowsOfAUser()), 1)
    assert ids_from(IterableItemSource(RowsOfAUser()), checkpoint) == ["b", "c"]


def test_more_items_behind_the_checkpoint_are_fine() -> None:
    checkpoint = checkpoint_behind(IterableItemSource(items("a", "b")), 2)
    assert ids_from(IterableItemSource(items("a", "b", "new")), checkpoint) == ["new"]


@pytest.mark.parametrize("others", [("a", "x", "c"), ("b", "a", "c"), ("ab", "", "c"), ("x", "a", "b")])
def test_other_items_before_the_checkpoint_are_refused(others: tuple[str, ...]) -> None:
    checkpoint = checkpoint_behind(IterableItemSource(items("a", "b", "c")), 2)
    with pytest.raises(SourceError):
        IterableItemSource(items(*others)).open(checkpoint)


def test_ids_that_join_to_the_same_text_are_told_apart() -> None:
    checkpoint = checkpoint_behind(IterableItemSource(items("ab", "c", "d")), 2)
    with pytest.raises(
        SourceError, match="list begins with other items than the 2 that the run has read; give the same"
    ):
        IterableItemSource(items("a", "bc", "d")).open(checkpoint)


def test_fewer_items_than_were_read_are_refused() -> None:
    checkpoint = checkpoint_behind(IterableItemSource(items("a", "b", "c")), 3)
    with pytest.raises(SourceError, match="has only 1 items, but the run has read 3; give the same"):
        IterableItemSource(items("a")).open(checkpoint)


def test_an_empty_list_has_no_items() -> None:
    assert ids_from(IterableItemSource([]), None) == []


def test_a_generator_is_read_once() -> None:
    assert ids_from(IterableItemSource(item for item in items("a", "b")), None) == ["a", "b"]


def test_a_generator_is_not_opened_twice() -> None:
    source = IterableItemSource(item for item in items("a", "b"))
    source.open(None)
    with pytest.raises(
        SourceError, match=r"generator can be walked only once.*give a list, or a source that reads a file"
    ):
        source.open(None)


def test_a_generator_is_not_opened_at_a_checkpoint() -> None:
    checkpoint = checkpoint_behind(IterableItemSource(items("a", "b")), 1)
    with pytest.raises(SourceError, match="walked only once"):
        IterableItemSource(item for item in items("a", "b")).open(checkpoint)


def test_a_generator_is_opened_at_a_checkpoint_before_its_first_item() -> None:
    checkpoint = checkpoint_behind(IterableItemSource(items("a", "b")), 0)
    assert ids_from(IterableItemSource(item for item in items("a", "b")), checkpoint) == ["a", "b"]


@pytest.mark.parametrize("no_item", [{"item_id": "b"}, "b", None])
def test_what_is_no_item_is_named_by_its_number(no_item: Any) -> None:
    with pytest.raises(InvalidItemError, match=r"^item number 2: a .* is no item; give BatchItem"):
        list(IterableItemSource([*items("a"), no_item]))


@pytest.mark.parametrize("item_id", ["", 7, 1.5, None, "a\0", "\ud800", "x" * 10_001])
def test_an_item_without_a_usable_id_is_named_by_its_number(item_id: Any) -> None:
    with pytest.raises(InvalidItemError, match=r"^item number 2: the item id"):
        list(IterableItemSource([*items("a"), BatchItem(item_id, None)]))


def test_a_refused_item_is_not_passed_over() -> None:
    cursor = IterableItemSource([*items("a"), BatchItem("", ""), *items("c")]).open(None)
    for _ in range(2):
        with pytest.raises(InvalidItemError, match="item number 2"):
            list(cursor)


def test_the_identity_is_the_type_and_has_no_fingerprint() -> None:
    identity = IterableItemSource(items("a")).identity()
    assert (identity.kind, identity.reference, identity.fingerprint) == ("iterable", "list", "")


@pytest.mark.parametrize("nothing", [None, 7])
def test_what_yields_nothing_is_refused(nothing: Any) -> None:
    with pytest.raises(SourceError, match="yields no items; give a list"):
        IterableItemSource(nothing)


@pytest.mark.parametrize("checkpoint", ["text", {"count": -1, "ids_sha256": ""}, {"count": "1", "ids_sha256": ""}])
def test_a_damaged_checkpoint_is_refused(checkpoint: JsonValue) -> None:
    with pytest.raises(SourceError, match="is no checkpoint of an iterable source"):
        IterableItemSource(items("a")).open(checkpoint)


def test_a_checkpointed_source_stays_as_it_is() -> None:
    source = IterableItemSource(items("a"))
    assert as_checkpointed(source) is source


def test_a_list_becomes_a_checkpointed_source() -> None:
    assert ids_from(as_checkpointed(items("a", "b")), None) == ["a", "b"]
