"""Results as JSON lines: the same from exports, bundles and the command."""

import json
from collections.abc import Sequence
from json.encoder import encode_basestring as _quoted

from batchor_core.domain.results import ItemFailure, StoredFields, ended_as
from batchor_core.domain.told_lineage import NO_LINEAGE, LineageText, ToldLineage

_encode = json.JSONEncoder(ensure_ascii=False).encode
_COMPLETED = ended_as(None).value
_NOTHING = LineageText("", 0, 0, "")


def result_lines(
    results: Sequence[StoredFields], *, structured: bool, sequenced: bool, lineage: ToldLineage = NO_LINEAGE
) -> bytes:
    r"""Each result as one line of UTF-8, ending in `\n`.

    Keys: `item_id, status, attempt_count, output_text` (or `output`, the answer's JSON, when *structured*)`, error, metadata,
    usage, finish_reason`: the same whatever interrupted the run. With *sequenced*, `sequence` comes last. *lineage* is put into
    the metadata that is stored.
    """
    # Built as text, from what is JSON already: as objects that are encoded, it would cost five times as much.
    # In one loop, for calls for each row would add a fifth.
    parts: list[str] = []
    key = "output" if structured else "output_text"
    # Neighbours mostly have one span: what is told of it is asked for once, and spliced as `LineageText.behind` does.
    first, end, told = 0, 0, None
    head, ahead, prefix_length, tail = _NOTHING
    for item_id, metadata, index, sequence, attempts, text, response, failure in results:
        if failure is None:
            status, error = _COMPLETED, "null"
        else:
            status, error = ended_as(failure).value, _error(failure)
        if structured:
            answer = _on_one_line(text) if text and failure is None else "null"
        else:
            answer = "null" if text is None else _quoted(text)
        quoted_id = _quoted(item_id)
        if not first <= index < end:
            first, end, told = lineage.around(index)
            head, ahead, prefix_length, tail = told or _NOTHING
        if told is None:
            own, source = metadata or "{}", ""
        else:
            own = "{" if metadata is None else f"{metadata[:-1]}, "
            source_id = _quoted(item_id[prefix_length:]) if prefix_length else quoted_id
            source = f'{index + ahead}, "source_primary_key": {source_id}'
        # In pieces: a text of more than 512 bytes, as most of these lines would be, is made at three times the price.
        outcome = (
            f'{{"item_id": {quoted_id}, "status": "{status}", "attempt_count": {attempts}, "{key}": {answer}, '
            f'"error": {error}, "metadata": '
        )
        read, written, cached, reasoned, finish_reason = response[1:-1].split(",", 4)  # `RESPONSE_METADATA_JSON`
        figures = (
            f', "usage": {{"input_tokens": {read}, "output_tokens": {written}, "cached_input_tokens": {cached}, '
            f'"reasoning_tokens": {reasoned}}}, "finish_reason": {finish_reason}'
        )
        parts += (outcome, own, head, source, tail, figures, f', "sequence": {sequence}}}\n' if sequenced else "}\n")
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
