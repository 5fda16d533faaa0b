"""Results as JSON lines: the same from exports, bundles and the command."""

import json
from collections.abc import Sequence
from json.encoder import encode_basestring as _quoted

from batchor_core.domain.lineage import WithLineage
from batchor_core.domain.results import ItemFailure, StoredFields, ended_as

_encode = json.JSONEncoder(ensure_ascii=False).encode
_COMPLETED = ended_as(None).value


def result_lines(
    results: Sequence[StoredFields], *, structured: bool, sequenced: bool, with_lineage: WithLineage | None = None
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
        item_id, metadata, index, sequence, attempts, text, reason, read, written, cached, reasoned, failure
    ) in results:  # fmt: skip
        status, error = (_COMPLETED, "null") if failure is None else (ended_as(failure).value, _error(failure))
        if structured:
            answer = _on_one_line(text) if text and failure is None else "null"
        else:
            answer = "null" if text is None else _quoted(text)
        told = metadata if with_lineage is None else with_lineage(metadata, item_id, index)
        # In pieces: a text of more than 512 bytes, as most of these lines would be, is made at three times the price.
        parts.append(
            f'{{"item_id": {_quoted(item_id)}, "status": "{status}", "attempt_count": {attempts}, "{key}": {answer}, '
            f'"error": {error}, "metadata": '
        )
        parts.append(told or "{}")
        parts.append(
            f', "usage": {{"input_tokens": {read}, "output_tokens": {written}, "cached_input_tokens": {cached}, '
            f'"reasoning_tokens": {reasoned}}}, "finish_reason": {"null" if reason is None else _quoted(reason)}'
        )
        parts.append(f', "sequence": {sequence}}}\n' if sequenced else "}\n")
    return "".join(parts).encode()


def _on_one_line(answer: str) -> str:
    """An answer's JSON as the model wrote it, whatever its spaces, numbers and escapes: it was checked when it came in.

    In JSON, line ends stand between values only.
    """
    return answer.replace("\n", " ").replace("\r", " ")


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
