"""Results as JSON lines: the same from exports, bundles and the command."""

import json
from collections.abc import Sequence
from contextlib import suppress
from json.encoder import encode_basestring as _quoted

from batchor_core.domain.results import ItemFailure, StoredResult
from batchor_core.json_types import JsonValue

_encode = json.JSONEncoder(ensure_ascii=False).encode
_decode = json.JSONDecoder().decode
_raw_decode = json.JSONDecoder().raw_decode


def result_lines(results: Sequence[StoredResult], *, structured: bool, sequenced: bool) -> bytes:
    r"""Each result as one line of UTF-8, ending in `\n`.

    Keys: `item_id, status, attempt_count, output_text` (or `output`, the answer's JSON, when *structured*)`, error, metadata,
    usage, finish_reason`: the same whatever interrupted the run. With *sequenced*, `sequence` comes last.
    """
    # Built as text, from what is JSON already: as objects that are encoded, it would cost five times as much.
    return "".join(_line(stored, structured=structured, sequenced=sequenced) for stored in results).encode()


def _line(stored: StoredResult, *, structured: bool, sequenced: bool) -> str:
    (item_id, metadata, _, sequence, attempts, _, _, _, _, text, reason, read, written, cached, reasoned, failure) = (
        stored
    )
    answer = f'"output": {_output(text, failure)}' if structured else f'"output_text": {_text(text)}'
    return (
        f'{{"item_id": {_quoted(item_id)}, "status": "{stored.status.value}", "attempt_count": {attempts}, {answer}, '
        f'"error": {"null" if failure is None else _error(failure)}, "metadata": {metadata or "{}"}, '
        f'"usage": {{"input_tokens": {read}, "output_tokens": {written}, "cached_input_tokens": {cached}, '
        f'"reasoning_tokens": {reasoned}}}, "finish_reason": {_text(reason)}'
        f"{f', "sequence": {sequence}' if sequenced else ''}}}\n"
    )


def _text(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _output(text: str | None, failure: str | None) -> str:
    """The answer in the same JSON as all else, whatever spaces and escapes the model likes."""
    return _encode(_parsed(text)) if text and failure is None else "null"


def _parsed(text: str) -> JsonValue:
    # Half of the time of `decode`, which looks for blanks around the value: models give none as a rule.
    with suppress(ValueError):
        value, end = _raw_decode(text)
        if end == len(text):
            return value  # type: ignore[no-any-return]  # JSON is what it decodes
    parsed: JsonValue = _decode(text)
    return parsed


def _error(failure: str) -> str:
    error = ItemFailure.from_json(failure)
    return _encode(
        {
            "error_class": error.error_class,
            "message": error.message,
            "code": error.code,
            "status_code": error.status_code,
        }
    )
