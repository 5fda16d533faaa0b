"""Lines of results against what the JSON encoder makes of the same fields."""

import inspect
import json
import runpy
from itertools import product
from typing import Any

import pytest

from batchor_core.application.result_lines import result_lines
from batchor_core.domain.results import ItemFailure, ResultRow, StoredResult

ODD_TEXTS = [
    None, "", "Lima", 'said "hi" \\ / \b\f\n\r\t', "\x00\x01\x1f\x7f", "\u2028\u2029\x85", "é 😀 \U0010ffff", "{}", "null", "%s {0}"
]  # fmt: skip
ODD_OUTPUTS = [
    None, "", '{"a":1}', '{ "a" : [1, 2.50, 1e400, -0.0] }\n', '{"a": NaN, "b": -Infinity}', '"\\u2028\\ud83d\\ude00 \\/"', " [ ]",
    '{"a": 1, "a": 2}', "12345678901234567890123", "true"
]  # fmt: skip
METADATA = [None, "{}", '{"a": "é \u2028 😀", "b": [1, 2.5, null, {"c": true}]}', "null"]
FAILURES = [
    None,
    ItemFailure("refused", 'no "way" \u2028 é').to_json(),
    ItemFailure("request_failed", "bad", code="c", status_code=400).to_json(),
]


def stored(**changes: Any) -> StoredResult:
    row = ResultRow(3, 7, 2, 1, 1, 10, 20, "Lima", "stop", 11, 12, 13, 14, None)
    return StoredResult.of("item-3", None, row)._replace(**changes)


def encoded(result: StoredResult, *, structured: bool, sequenced: bool) -> bytes:
    """The line as the encoder makes it of the parsed parts."""
    failure = None if result.failure is None else ItemFailure.from_json(result.failure)
    text = result.output_text
    output = json.loads(text) if structured and text and failure is None else None
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
        "finish_reason": result.finish_reason,
        **({"sequence": result.sequence} if sequenced else {}),
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize("sequenced", [False, True])
@pytest.mark.parametrize("structured", [False, True])
def test_a_line_is_what_the_encoder_makes_of_its_fields(structured: bool, sequenced: bool) -> None:
    texts = ODD_OUTPUTS if structured else ODD_TEXTS
    results = [
        stored(output_text=text, metadata=metadata, failure=failure, item_id=item_id, finish_reason=reason)
        for text, metadata, failure, item_id, reason in product(
            texts, METADATA, FAILURES, ["a", 'é"\n\u2028'], [None, "stop", 'o"dd']
        )
    ]
    expected = [encoded(result, structured=structured, sequenced=sequenced) for result in results]
    assert result_lines(results, structured=structured, sequenced=sequenced) == b"".join(expected)


def test_lines_are_the_same_where_python_has_no_encoder_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [stored(output_text=text) for text in ODD_OUTPUTS]
    expected = result_lines(results, structured=True, sequenced=False)
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    plain_module = runpy.run_path(inspect.getfile(result_lines))
    assert plain_module["result_lines"](results, structured=True, sequenced=False) == expected


def test_metadata_is_told_with_the_lineage_of_each_item() -> None:
    def with_lineage(metadata: str | None, item_id: str, index: int) -> str | None:
        return None if metadata is None else f'{metadata[:-1]}, "from": ["{item_id}", {index}]}}'

    results = [stored(), stored(item_id="b", item_index=4, metadata='{"a": 1}')]
    lines = result_lines(results, structured=False, sequenced=False, with_lineage=with_lineage).splitlines()
    assert [json.loads(line)["metadata"] for line in lines] == [{}, {"a": 1, "from": ["b", 4]}]


def test_no_results_are_no_lines() -> None:
    assert result_lines([], structured=False, sequenced=True) == b""
