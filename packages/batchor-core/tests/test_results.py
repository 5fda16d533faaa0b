"""Results as users hold them: equal whether made by hand or of what is stored."""

import json
import pickle
from dataclasses import asdict
from typing import Any

import pytest

from batchor_core.domain.item import ItemStatus
from batchor_core.domain.output_line import TokenUsage
from batchor_core.domain.results import ItemFailure, ResultRow, StoredResult, StructuredItemResult, TextItemResult
from batchor_core.json_types import JsonValue

FAILURE = ItemFailure("refused", "no", code="c")


class FakeSource:
    """Gives each metadata as it is stored, and an offset for a line."""

    def metadata(self, stored: StoredResult) -> str | None:
        return stored.metadata

    def raw_line(self, stored: StoredResult) -> JsonValue:
        return {"item": stored.item_index}


def of_stored(*, metadata: str | None = '{"a": [1]}', failure: ItemFailure | None = None) -> TextItemResult:
    row = ResultRow(3, 7, 2, 1, 1, 10, 20, "Lima", '[11,12,13,14,"stop"]', failure.to_json() if failure else None)
    (result,) = TextItemResult.of_stored([StoredResult.of("item-3", metadata, row)], FakeSource())
    return result


def by_hand(**changes: Any) -> TextItemResult:
    fields: dict[str, Any] = {
        "item_id": "item-3",
        "status": ItemStatus.COMPLETED,
        "attempt_count": 2,
        "output_text": "Lima",
        "error": None,
        "metadata": {"a": [1]},
        "usage": TokenUsage(11, 12, 13, 14),
        "finish_reason": "stop",
        "sequence": 7,
    }
    return TextItemResult(**{**fields, **changes})


def test_a_stored_result_equals_the_one_made_by_hand() -> None:
    assert of_stored() == by_hand()
    assert of_stored(metadata=None) == by_hand(metadata={})
    assert of_stored(failure=FAILURE) == by_hand(status=ItemStatus.FAILED_PERMANENT, error=FAILURE)


def test_a_stored_result_shows_all_its_fields() -> None:
    assert repr(of_stored()) == repr(by_hand())
    assert asdict(of_stored()) == asdict(by_hand())


def test_metadata_is_the_same_object_at_each_access() -> None:
    result = of_stored()
    assert result.metadata is result.metadata
    assert json.dumps(result.metadata) == '{"a": [1]}'


def test_each_field_that_is_made_when_asked_for_can_be_asked_for_first() -> None:
    assert of_stored().finish_reason == "stop"
    assert of_stored().usage == TokenUsage(11, 12, 13, 14)
    assert of_stored().metadata == {"a": [1]}


def test_a_result_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(of_stored())) == by_hand()  # noqa: S301  it was just made


def test_a_raw_response_is_read_from_where_the_result_came_from() -> None:
    assert of_stored().raw_response == {"item": 3}
    assert by_hand().raw_response is None


def test_a_structured_result_is_unlike_another_with_another_output() -> None:
    row = ResultRow(3, 7, 2, 1, 1, 10, 20, "1", '[11,12,13,14,"stop"]', None)
    one, other = StructuredItemResult[int].of_stored([StoredResult.of("a", None, row)] * 2, FakeSource())
    one.output, other.output = 1, 2
    assert one != other
    other.output = 1
    assert one == other


def test_a_misspelt_field_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'TextItemResult' object has no attribute 'outptu'"):
        getattr(of_stored(), "outptu")  # noqa: B009  type checkers would refuse the plain way


def test_token_usage_can_be_a_key() -> None:
    assert {TokenUsage(1): "a"}[TokenUsage(1)] == "a"
