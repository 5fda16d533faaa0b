"""Results as CSV."""

import csv
import io
from typing import Any

import pytest

from batchor import ItemFailure, ItemStatus, TextItemResult, TokenUsage
from batchor_cli.result_csv import csv_lines
from batchor_cli.result_shape import ResultShape

TEXT = ResultShape(output_fields=None)


def result(**changes: Any) -> TextItemResult:
    fields: dict[str, Any] = {
        "item_id": "a",
        "status": ItemStatus.COMPLETED,
        "attempt_count": 1,
        "output_text": "an answer",
        "error": None,
        "metadata": {},
        "usage": TokenUsage(1, 2, 3, 4),
        "sequence": 9,
    }
    return TextItemResult(**{**fields, **changes})


def table(*results: TextItemResult, shape: ResultShape = TEXT, **options: Any) -> list[dict[str, str]]:
    text = b"".join(csv_lines(results, shape=shape, **{"guard": True, **options})).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_each_result_is_a_row() -> None:
    assert table(result()) == [
        {
            "item_id": "a",
            "status": "completed",
            "attempt_count": "1",
            "output_text": "an answer",
            "error_class": "",
            "error_message": "",
            "input_tokens": "1",
            "output_tokens": "2",
            "cached_input_tokens": "3",
            "reasoning_tokens": "4",
        }
    ]


def test_no_result_leaves_the_header() -> None:
    assert len(list(csv_lines([], shape=TEXT, guard=True))) == 1


def test_a_failure_tells_its_class_and_message() -> None:
    (row,) = table(result(output_text=None, error=ItemFailure("refused", 'it said "no",\nthen nothing')))
    assert (row["error_class"], row["error_message"]) == ("refused", 'it said "no",\nthen nothing')


@pytest.mark.parametrize("text", ["line\rend", 'quo"ted', "a,b", "two\nlines", "é 鳥", " spaces "])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert table(result(output_text=text))[0]["output_text"] == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_could_run_gets_a_leading_quote(text: str) -> None:
    shape = ResultShape(None, carried=(text,))
    (guarded,) = table(result(item_id=text, output_text=text, metadata={text: text}), shape=shape)
    assert [guarded["item_id"], guarded["output_text"], guarded[f"'{text}"]] == [f"'{text}"] * 3


def test_the_guard_can_be_switched_off() -> None:
    assert table(result(output_text="=1+1"), guard=False)[0]["output_text"] == "=1+1"


def test_fields_of_an_answer_are_columns() -> None:
    shape = ResultShape(("label", "score", "tags", "why"))
    answer = '{"label": "=x", "score": -1.5, "tags": ["a", "é"], "why": null}'
    (row,) = table(result(output_text=answer), shape=shape)
    assert [row[name] for name in ("label", "score", "tags", "why")] == ["'=x", "-1.5", '["a", "é"]', ""]
    assert "output_text" not in row


def test_an_accepted_answer_that_is_not_of_the_model_leaves_its_columns_empty() -> None:
    shape = ResultShape(("label",))
    rows = table(result(output_text="I cannot say"), result(output_text="[1]"), result(output_text=""), shape=shape)
    assert [row["label"] for row in rows] == ["", "", ""]


def test_columns_of_equal_names_are_told_apart() -> None:
    shape = ResultShape(("label", "status"), carried=("label", "id"))
    answer = '{"label": "answered", "status": "s"}'
    (row,) = table(result(output_text=answer, metadata={"label": "known", "id": 7}), shape=shape)
    assert (row["label"], row["metadata.label"], row["id"]) == ("answered", "known", "7")
    assert (row["status"], row["output.status"]) == ("completed", "s")


def test_rows_in_the_order_of_completion_end_with_their_sequence() -> None:
    assert list(table(result(), sequenced=True)[0].items())[-1] == ("sequence", "9")
