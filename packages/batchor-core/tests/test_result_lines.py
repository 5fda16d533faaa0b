"""Lines of results against what the JSON encoder makes of the same fields."""

import json
from itertools import product
from typing import Any

import pytest

from batchor_core.application.result_lines import result_lines
from batchor_core.domain.lineage import LineageSpan
from batchor_core.domain.output_line import ResponseMetadata, TokenUsage
from batchor_core.domain.results import ItemFailure, ResultRow, StoredResult
from batchor_core.domain.told_lineage import ToldLineage

ODD_TEXTS = [
    None, "", "Lima", 'said "hi" \\ / \b\f\n\r\t', "\x00\x01\x1f\x7f", "\u2028\u2029\x85", "é 😀 \U0010ffff", "{}", "null", "%s {0}"
]  # fmt: skip
ODD_OUTPUTS = [
    None, "", '{"a":1}', '{ "a" : [1, 2.50, 1e400, -0.0] }\n', '{"a": NaN, "b": -Infinity}', '"\\u2028\\ud83d\\ude00 \\/"', " [ ]",
    '{"a": 1, "a": 2}', "12345678901234567890123", "true"
]  # fmt: skip
_PLACE = "the answer stands here"
METADATA = [None, "{}", '{"a": "é \u2028 😀", "b": [1, 2.5, null, {"c": true}]}', "null"]
FAILURES = [
    None,
    ItemFailure("refused", 'no "way" \u2028 é').to_json(),
    ItemFailure("request_failed", "bad", code="c", status_code=400).to_json(),
]


def responded(finish_reason: str | None) -> str:
    return ResponseMetadata(TokenUsage(11, 12, 13, 14), finish_reason).to_json()


def stored(**changes: Any) -> StoredResult:
    row = ResultRow(3, 7, 2, 1, 1, 10, 20, "Lima", responded("stop"), None)
    return StoredResult.of("item-3", None, row)._replace(**changes)


def encoded(result: StoredResult, *, structured: bool, sequenced: bool) -> bytes:
    """The line as the encoder makes it of its parts, but for the answer's JSON, which is passed on as it is."""
    failure = None if result.failure is None else ItemFailure.from_json(result.failure)
    text = result.output_text
    output = _PLACE if structured and text and failure is None else None
    fields: dict[str, Any] = {
        "item_id": result.item_id,
        "status": result.status.value,
        "attempt_count": result.attempt_count,
        **({"output": output} if structured else {"output_text": text}),
        "error": None
        if failure is None
        else {
            "error_class": failure.error_class,
            "message": failure.message,
            "code": failure.code,
            "status_code": failure.status_code,
        },
        "metadata": json.loads(result.metadata) if result.metadata else {},
        "usage": {"input_tokens": 11, "output_tokens": 12, "cached_input_tokens": 13, "reasoning_tokens": 14},
        "finish_reason": ResponseMetadata.from_json(result.response_metadata).finish_reason,
        **({"sequence": result.sequence} if sequenced else {}),
    }
    line = json.dumps(fields, ensure_ascii=False) + "\n"
    return line.replace(f'"{_PLACE}"', (text or "").replace("\n", " ").replace("\r", " ")).encode()


@pytest.mark.parametrize("sequenced", [False, True])
@pytest.mark.parametrize("structured", [False, True])
def test_a_line_is_what_the_encoder_makes_of_its_fields(structured: bool, sequenced: bool) -> None:
    texts = ODD_OUTPUTS if structured else ODD_TEXTS
    results = [
        stored(
            output_text=text, metadata=metadata, failure=failure, item_id=item_id, response_metadata=responded(reason)
        )
        for text, metadata, failure, item_id, reason in product(
            texts, METADATA, FAILURES, ["a", 'é"\n\u2028'], [None, "stop", 'o"dd, %s]']
        )
    ]
    expected = [encoded(result, structured=structured, sequenced=sequenced) for result in results]
    assert result_lines(results, structured=structured, sequenced=sequenced) == b"".join(expected)


@pytest.mark.parametrize(
    "text", ['{\n  "a":\r\n [1,\n2.50],\t"b": "\\n \\r \u2028"\n}\n', "\r1e400\n", '"\\ud83d\\ude00"']
)
def test_an_answer_on_several_lines_comes_on_one_with_the_same_value(text: str) -> None:
    line = result_lines([stored(output_text=text)], structured=True, sequenced=False)
    assert line.count(b"\n") == 1
    assert json.loads(line)["output"] == json.loads(text)


def test_metadata_is_told_with_the_lineage_of_each_item() -> None:
    spans = [
        LineageSpan(3, 'é"', first_source_index=7),
        LineageSpan(5, "rows", 'o"dd', "part-1"),
        LineageSpan(7, None),
        LineageSpan(8, "rows"),
    ]
    ids = {3: 'i"d', 4: "b", 5: 'o"dd:c', 6: 'o"dd:é"'}
    results = [
        stored(item_id=ids.get(index, "item"), item_index=index, metadata=metadata)
        for index in [*range(10), 4, 7, 2, 6, 0]
        for metadata in (None, '{"a": 1}')
    ]
    lineage = ToldLineage(spans)
    told = [
        result._replace(metadata=lineage.metadata(result.metadata, result.item_id, result.item_index))
        for result in results
    ]
    lines = result_lines(results, structured=False, sequenced=True, lineage=lineage)
    assert lines == b"".join(encoded(result, structured=False, sequenced=True) for result in told)


def test_no_results_are_no_lines() -> None:
    assert result_lines([], structured=False, sequenced=True) == b""
