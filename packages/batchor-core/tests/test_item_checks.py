import json
from types import MappingProxyType
from typing import Any

import pytest

from batchor_core.domain.item import BatchItem
from batchor_core.domain.item_checks import (
    MAX_ITEM_ID_BYTES,
    check_item_id,
    check_item_ids,
    item_id_fault,
    metadata_text,
)
from batchor_core.errors import InvalidItemError

GOOD_IDS = ["a", "0", " ", "a/b", "..", "../../etc/passwd", "'\"`", "🙂", "עברית", "\u202eabc", "a\nb", "x" * 10_000]


@pytest.mark.parametrize("item_id", GOOD_IDS)
def test_any_text_is_an_id(item_id: str) -> None:
    assert check_item_id(BatchItem(item_id, None), 0) == item_id


@pytest.mark.parametrize(
    ("item_id", "problem"),
    [
        ("", "is empty"),
        (7, "7 is a int, not a str; convert it"),
        (1.5, "is a float, not a str"),
        (None, "None is a NoneType, not a str"),
        (b"a", "is a bytes, not a str"),
        (["a"], "is a list, not a str"),
        ("a\0b", "NUL"),
        ("a\ud800", "surrogate"),
        ("x" * (MAX_ITEM_ID_BYTES + 1), "10001 bytes, the limit is 10000"),
        ("ż" * 5_001, "10002 bytes, the limit is 10000"),
    ],
)
def test_anything_else_is_refused_with_the_reason(item_id: Any, problem: str) -> None:
    with pytest.raises(InvalidItemError, match=problem):
        check_item_id(BatchItem(item_id, None), 0)


def test_ids_that_are_checked_together_are_given_in_their_order() -> None:
    assert check_item_ids([BatchItem(item_id, None) for item_id in GOOD_IDS], 0) == GOOD_IDS


@pytest.mark.parametrize("wrong", ["", 7, None, "a\0", "\ud800", "x" * 10_001, "ż" * 5_001])
def test_of_ids_that_are_checked_together_the_first_wrong_one_is_told_by_its_number(wrong: Any) -> None:
    items = [BatchItem(item_id, None) for item_id in ("a", wrong, "b", "")]
    with pytest.raises(InvalidItemError, match=r"^item number 12: "):
        check_item_ids(items, 10)


def test_what_is_no_item_is_refused_among_others() -> None:
    with pytest.raises(InvalidItemError, match=r"^item number 2: a str is no item"):
        check_item_ids([BatchItem("a", None), "b"], 0)


def test_the_limit_counts_bytes() -> None:
    assert item_id_fault("ż" * 5_000) is None


def test_an_index_is_told_as_a_number_from_1() -> None:
    with pytest.raises(InvalidItemError, match=r"^item number 8: "):
        check_item_id(BatchItem("", None), 7)


def test_a_place_in_words_is_told_as_it_is() -> None:
    with pytest.raises(InvalidItemError, match=r"^items\.csv, line 3: "):
        check_item_id(BatchItem("", None), "items.csv, line 3")


@pytest.mark.parametrize("no_item", [{"item_id": "a"}, "a", None, ("a", 1)])
def test_what_is_no_item_is_refused(no_item: Any) -> None:
    with pytest.raises(InvalidItemError, match="is no item; give BatchItem"):
        check_item_id(no_item, 0)


def test_an_item_without_metadata_has_no_text() -> None:
    assert metadata_text({}, item_id="a", place=0) is None


@pytest.mark.parametrize(
    "metadata",
    [{"a": 1}, {"a": {"b": [1, 2.5, True, None, "ż\u2028"]}}, {"": ""}, {"nul": "a\0b"}, {"quote": '"'}],
)
def test_metadata_comes_back_from_its_text(metadata: dict[str, Any]) -> None:
    text = metadata_text(metadata, item_id="a", place=0)
    assert text is not None
    assert json.loads(text) == metadata


def test_tuples_and_read_only_mappings_are_json_too() -> None:
    assert (
        metadata_text(MappingProxyType({"a": (1, MappingProxyType({"b": range(2)}))}), item_id="a", place=0)
        == '{"a": [1, {"b": [0, 1]}]}'
    )


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def circular() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"a": float("nan")}, "not JSON compliant: nan"),
        ({"a": [float("inf")]}, "not JSON compliant: inf"),
        ({"a": {1, 2}}, "it holds a set"),
        ({"a": b"bytes"}, "it holds a bytes"),
        ({"a": object()}, "it holds a object"),
        ({1: "a"}, "the key 1 is a int"),
        ({"a": [{"b": {None: 1}}]}, "the key None is a NoneType"),
        ({"a": "\udfff"}, "surrogates not allowed"),
        (["a"], "it is a list, not an object"),
        (nested(100_000), "nested too deeply"),
        (circular(), "Circular"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_metadata_that_json_cannot_hold_names_item_place_and_reason(metadata: Any, problem: str) -> None:
    with pytest.raises(InvalidItemError, match=rf"^item number 1: the metadata of item 'a' .*{problem}"):
        metadata_text(metadata, item_id="a", place=0)
