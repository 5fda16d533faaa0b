"""Results as JSON lines: the same from exports, bundles and the command."""

import json
from collections.abc import Callable, Iterable, Sequence
from json import encoder
from json.encoder import encode_basestring as _quoted
from typing import Any

from batchor_core.domain.lineage import WithLineage
from batchor_core.domain.results import ItemFailure, StoredResult, ended_as
from batchor_core.json_types import JsonValue

_encode = json.JSONEncoder(ensure_ascii=False).encode
_decode = json.JSONDecoder().decode
_raw_decode = json.JSONDecoder().raw_decode
_COMPLETED = ended_as(None).value


def result_lines(
    results: Sequence[StoredResult], *, structured: bool, sequenced: bool, with_lineage: WithLineage | None = None
) -> bytes:
    r"""Each result as one line of UTF-8, ending in `\n`.

    Keys: `item_id, status, attempt_count, output_text` (or `output`, the answer's JSON, when *structured*)`, error, metadata,
    usage, finish_reason`: the same whatever interrupted the run. With *sequenced*, `sequence` comes last. *with_lineage* turns
    the metadata that is stored into what is told.
    """
    # Built as text, from what is JSON already: as objects that are encoded, it would cost five times as much.
    # In one loop, for calls for each row would add a fifth.
    parts: list[str] = []
    key = "output" if structured else "output_text"
    for (
        item_id, metadata, index, sequence, attempts, _, _, _, _, text, reason, read, written, cached, reasoned, failure
    ) in results:  # fmt: skip
        status, error = (_COMPLETED, "null") if failure is None else (ended_as(failure).value, _error(failure))
        if structured:
            answer = _output(text) if text and failure is None else "null"
        else:
            answer = "null" if text is None else _quoted(text)
        told = metadata if with_lineage is None else with_lineage(metadata, item_id, index)
        parts.append(
            f'{{"item_id": {_quoted(item_id)}, "status": "{status}", "attempt_count": {attempts}, "{key}": {answer}, '
            f'"error": {error}, "metadata": {told or "{}"}, '
            f'"usage": {{"input_tokens": {read}, "output_tokens": {written}, "cached_input_tokens": {cached}, '
            f'"reasoning_tokens": {reasoned}}}, "finish_reason": {"null" if reason is None else _quoted(reason)}'
        )
        parts.append(f', "sequence": {sequence}}}\n' if sequenced else "}\n")
    return "".join(parts).encode()


def _output(text: str) -> str:
    """The answer in the same JSON as all else, whatever spaces and escapes the model likes."""
    return "".join(_pieces(_parsed(text), 0))


def _parsed(text: str) -> JsonValue:
    # Half of the time of `decode`, which looks for blanks around the value: models give none as a rule.
    parsed: JsonValue
    try:
        parsed, end = _raw_decode(text)
    except ValueError:
        end = None
    if end != len(text):
        parsed = _decode(text)
    return parsed


def _make_encoder() -> Callable[[JsonValue, int], Iterable[str]]:
    """What `_encode` makes anew for each value, which takes as long as encoding it. Here it is made once."""
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:  # a Python without the C accelerator
        return lambda value, _indent: [_encode(value)]
    markers = default = indent = None  # values from JSON have no cycles, and nothing that JSON does not know
    key_separator, item_separator, sort_keys, skip_keys, allow_nan = ": ", ", ", False, False, True
    pieces: Callable[[JsonValue, int], Iterable[str]] = make(
        markers, default, _quoted, indent, key_separator, item_separator, sort_keys, skip_keys, allow_nan
    )
    return pieces


_pieces = _make_encoder()


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
