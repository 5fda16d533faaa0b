"""Export: results as JSON lines, the same from the library and the command."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from batchor_core.application.line_file import LineAppender, replace_lines
from batchor_core.application.read_results import PAGE_ROWS, ResultReader
from batchor_core.domain.results import TextItemResult
from batchor_core.json_types import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class TerminalResultsExport:
    """What an export of ended items wrote; give `next_after_sequence` to go on."""

    path: Path
    exported_count: int
    next_after_sequence: int


def result_to_json(result: TextItemResult, *, structured: bool) -> JsonObject:
    """One result as it is exported.

    Keys: `item_id, status, attempt_count, output_text` (or `output`, the answer's JSON, when
    *structured*)`, error, metadata, usage, finish_reason`: the same whatever interrupted the run.
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
    return _line(result_to_json(result, structured=structured))


def _line(fields: JsonObject) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def export_terminal(
    reader: ResultReader, path: Path, *, after_sequence: int, append: bool, limit: int | None, structured: bool
) -> TerminalResultsExport:
    """Write results in the order in which they ended to *path*, each with its `sequence`.

    Without *append* the file is replaced whole. With it, half a line that a crash left is cut off, and lines that
    are there already, by the `sequence` of the last, are not written again: a caller that died before
    it noted how far it was loses and doubles nothing.
    """
    if not append:
        progress = _Progress(after_sequence)
        count = replace_lines(path, progress.lines(reader, limit=limit, structured=structured))
        return TerminalResultsExport(path, count, progress.sequence)
    appender = LineAppender(path)
    try:
        progress = _Progress(max(after_sequence, _sequence_of(appender.last_line)))
        count = appender.append(progress.lines(reader, limit=limit, structured=structured))
    finally:
        appender.close()
    return TerminalResultsExport(path, count, progress.sequence)


class _Progress:
    """The sequence of the last line that was given out."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence

    def lines(self, reader: ResultReader, *, limit: int | None, structured: bool) -> Iterator[bytes]:
        left = limit
        while left is None or left > 0:
            page = reader.by_sequence(after=self.sequence, limit=PAGE_ROWS if left is None else min(left, PAGE_ROWS))
            if not page:
                return
            for result in reader.built(page):
                self.sequence = result.sequence
                yield _line({**result_to_json(result, structured=structured), "sequence": result.sequence})
            left = None if left is None else left - len(page)


def _sequence_of(line: bytes | None) -> int:
    if line is None:
        return 0
    try:
        sequence = json.loads(line)["sequence"]
    except (ValueError, TypeError, KeyError):
        return 0  # not a line of ours: the caller's own cursor counts
    return sequence if isinstance(sequence, int) else 0


def _parsed(text: str | None) -> JsonValue:
    value: JsonValue = json.loads(text) if text else None
    return value
