"""Export: results as JSON lines, the same from the library and the command."""

import json
from dataclasses import asdict

from batchor_core.domain.results import TextItemResult
from batchor_core.json_types import JsonObject, JsonValue


def result_to_json(result: TextItemResult, *, structured: bool) -> JsonObject:
    """One result as it is exported.

    Keys: `item_id, status, attempt_count, output_text` (or `output`, the answer's JSON, when
    *structured*)`, error, metadata, usage, finish_reason`.
    """
    answer: JsonObject = {"output_text": result.output_text}
    if structured:
        answer = {"output": _parsed(result.output_text) if result.error is None else None}
    return {
        "item_id": result.item_id,
        "status": result.status.value,
        "attempt_count": result.attempt_count,
        **answer,
        "error": None if result.error is None else asdict(result.error),
        "metadata": result.metadata,
        "usage": asdict(result.usage),
        "finish_reason": result.finish_reason,
    }


def result_line(result: TextItemResult, *, structured: bool) -> bytes:
    r"""The exported result as one line of UTF-8, ending in `\n`."""
    return json.dumps(result_to_json(result, structured=structured), ensure_ascii=False).encode() + b"\n"


def _parsed(text: str | None) -> JsonValue:
    value: JsonValue = json.loads(text) if text else None
    return value
