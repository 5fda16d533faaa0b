"""Export: results as JSON lines, the same from the library and the command."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchor_core.application.line_file import LineAppender, replace_lines
from batchor_core.application.read_results import ResultReader


@dataclass(frozen=True, slots=True)
class TerminalResultsExport:
    """What an export of ended items wrote; give `next_after_sequence` to go on."""

    path: Path
    exported_count: int
    next_after_sequence: int


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
        replace_lines(path, progress.pieces(reader, limit=limit, structured=structured))
        return TerminalResultsExport(path, progress.count, progress.sequence)
    appender = LineAppender(path)
    try:
        progress = _Progress(max(after_sequence, _sequence_of(appender.last_line)))
        appender.append(progress.pieces(reader, limit=limit, structured=structured))
    finally:
        appender.close()
    return TerminalResultsExport(path, progress.count, progress.sequence)


class _Progress:
    """How much was given out, and the sequence of the last of it."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.count = 0

    def pieces(self, reader: ResultReader, *, limit: int | None, structured: bool) -> Iterator[bytes]:
        for page in reader.stored_in_completion_order(after=self.sequence, limit=limit):
            self.sequence = page.last.sequence
            self.count += len(page.results)
            yield from page.lines(structured=structured, sequenced=True)


def _sequence_of(line: bytes | None) -> int:
    if line is None:
        return 0
    try:
        sequence = json.loads(line)["sequence"]
    except (ValueError, TypeError, KeyError):
        return 0  # not a line of ours: the caller's own cursor counts
    return sequence if isinstance(sequence, int) else 0
