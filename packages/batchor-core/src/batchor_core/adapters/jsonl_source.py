"""Items from a file with one JSON object per line."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from batchor_core.adapters.row_file import Place, PlacedRow, RowFileSource
from batchor_core.adapters.row_item import DEFAULT_MAX_ROW_BYTES, RowFunctions, checked_limit
from batchor_core.adapters.source_file import path_text
from batchor_core.errors import SourceRowError
from batchor_core.json_types import JsonObject

type JsonRow = dict[str, Any]


class JsonlItemSource[PayloadT](RowFileSource[JsonRow, PayloadT]):
    r"""Rows of a JSON Lines file in UTF-8, one object per line; compressed when its name ends in `.gz` or `.zst`.

    Lines end at the byte `\n` alone; a `\r` before it, blank lines, a byte order mark at the beginning and a missing
    `\n` at the end are all right. A line that is no JSON object, holds NaN or half of a surrogate pair, or has more than
    `max_row_bytes` (4 MiB) with its end, and a function that raises, is a `SourceRowError`; an id that is no text
    of 1 to 10,000 bytes is an `InvalidItemError`. Both name file and line, and nothing is passed over.

    Each item's metadata tells its row under `batchor_lineage` (`batchor_core.domain.lineage`), beside what
    `metadata_from_row` returns.

    A checkpoint is a byte offset, so that reading on costs the same anywhere; in a compressed file what lies before is
    decompressed again, not parsed. The identity is the absolute path with the fingerprint of
    `batchor_core.adapters.source_file`: size and hashed parts, not the time of the last change.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        item_id_from_row: Callable[[JsonRow], str],
        payload_from_row: Callable[[JsonRow], PayloadT],
        metadata_from_row: Callable[[JsonRow], JsonObject] | None = None,
        max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
    ) -> None:
        super().__init__(
            Path(path),
            kind="jsonl",
            open_rows=partial(_JsonlReader, max_row_bytes=checked_limit(max_row_bytes)),
            functions=RowFunctions(path_text(path), item_id_from_row, payload_from_row, metadata_from_row),
        )


class _JsonlReader:
    """From lines to rows."""

    header = None

    def __init__(self, file: BinaryIO, name: str, *, max_row_bytes: int) -> None:
        self._file = file
        self._name = name
        self._max_row_bytes = max_row_bytes
        self.first_row = Place(file.tell(), 0)

    def rows(self, place: Place) -> Iterator[PlacedRow[JsonRow]]:
        readline, read_row = self._file.readline, self._row
        # One byte more than a line may have tells that it is too long, without reading the rest.
        limit = self._max_row_bytes + 1
        offset, number = place
        while line := readline(limit):
            number += 1
            offset += len(line)
            if not line.isspace():
                yield read_row(line, number), number, offset, number

    def _row(self, line: bytes, number: int) -> JsonRow:
        if len(line) > self._max_row_bytes:
            problem = f"is longer than {self._max_row_bytes} bytes; shorten it, or raise max_row_bytes"
            raise SourceRowError(self._name, number, problem)
        try:
            row = _decoded(line.decode())
            if _BACKSLASH in line and (b"\\ud" in line or b"\\uD" in line):
                # Such an escape may be half of a surrogate pair: text that no request and no database takes.
                json.dumps(row, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise SourceRowError(self._name, number, _json_problem(error)) from error
        if not isinstance(row, dict):
            problem = f"holds a {type(row).__name__}; write one JSON object on each line"
            raise SourceRowError(self._name, number, problem)
        return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


# What json.loads(…, parse_constant=…) makes anew for each call.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


_BACKSLASH = ord("\\")  # as a number it is looked for four times as fast
_LINE_ENDS = frozenset({"\n", "\r\n", ""})


def _decoded(text: str) -> Any:
    """The line's value, as `_DECODER.decode` gives it."""
    # To look for spaces around the value, as `decode` does by regular expressions, costs as much as a short value itself.
    if text.startswith("{"):
        value, end = _DECODER.raw_decode(text)
        if text[end:] in _LINE_ENDS:
            return value
    return _DECODER.decode(text)


def _json_problem(error: ValueError | RecursionError) -> str:
    match error:
        case json.JSONDecodeError():
            problem, remedy = f"{error.msg} at character {error.pos + 1}", "write one JSON object on each line"
        case UnicodeDecodeError():
            problem, remedy = f"byte {error.start + 1} is not UTF-8", "save the file as UTF-8"
        case UnicodeEncodeError():
            problem, remedy = "it holds half of a surrogate pair", "correct that text"
        case RecursionError():
            problem, remedy = "it is nested too deeply", "flatten it"
        case _:
            problem, remedy = str(error), "correct that value"
    return f"is not a row of JSON: {problem}; {remedy}"
