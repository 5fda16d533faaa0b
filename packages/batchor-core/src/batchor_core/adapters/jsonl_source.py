"""Items from a file with one JSON object per line."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from batchor_core.adapters.row_file import Place, RowFileSource
from batchor_core.adapters.row_item import DEFAULT_MAX_ROW_BYTES, PlacedRow, RowFunctions, checked_limit
from batchor_core.adapters.source_file import path_text
from batchor_core.errors import SourceRowError
from batchor_core.json_types import JsonObject
from batchor_core.line_blocks import next_lines

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
        self._mark = uuid4().hex
        self.first_row = Place(file.tell(), 0)

    def rows(self, place: Place) -> Iterator[PlacedRow[JsonRow]]:
        while lines := next_lines(self._file, max_line_bytes=self._max_row_bytes):
            yield from self._placed(lines, place)
            place = Place(place.offset + sum(map(len, lines)), place.line + len(lines))

    def _placed(self, lines: list[bytes], place: Place) -> Iterator[PlacedRow[JsonRow]]:
        numbers = range(place.line + 1, place.line + 1 + len(lines))
        offsets = accumulate(map(len, lines), initial=place.offset)
        next(offsets)
        if (rows := self._decoded_together(lines)) is not None:
            yield from zip(rows, numbers, offsets, numbers, strict=True)
            return
        for line, number, offset in zip(lines, numbers, offsets, strict=True):
            if not line.isspace():
                yield self._row(line, number), number, offset, number

    def _decoded_together(self, lines: list[bytes]) -> list[JsonRow] | None:
        """The row on each line, at half of the price of one by one; None where any line needs a closer look."""
        # As one array, with a mark between the lines that none of them can hold: so no two lines make one value.
        text = b"[" + f',"{self._mark}",'.encode().join(lines) + b"]"
        try:
            values = _DECODER.decode(text.decode())
            if _has_surrogates(text):
                _require_text(values)
        except (ValueError, RecursionError):
            return None
        rows: list[JsonRow] = values[::2]
        is_one_each = len(rows) == len(lines) and values[1::2].count(self._mark) == len(lines) - 1
        are_usual = set(map(type, rows)) == {dict} and max(map(len, lines)) <= self._max_row_bytes
        return rows if is_one_each and are_usual else None

    def _row(self, line: bytes, number: int) -> JsonRow:
        if len(line) > self._max_row_bytes:
            problem = f"is longer than {self._max_row_bytes} bytes; shorten it, or raise max_row_bytes"
            raise SourceRowError(self._name, number, problem)
        try:
            row = _DECODER.decode(line.decode())
            if _has_surrogates(line):
                _require_text(row)
        except (ValueError, RecursionError) as error:
            raise SourceRowError(self._name, number, _json_problem(error)) from error
        if not isinstance(row, dict):
            problem = f"holds a {type(row).__name__}; write one JSON object on each line"
            raise SourceRowError(self._name, number, problem)
        return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_BACKSLASH = ord("\\")
# What json.loads(…, parse_constant=…) makes anew for each call.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _has_surrogates(line: bytes) -> bool:
    # As a number, the backslash is looked for four times as fast.
    return _BACKSLASH in line and (b"\\ud" in line or b"\\uD" in line)


def _require_text(value: object) -> None:
    """Refuse half of a surrogate pair, which an escape can make: text that no request and no database takes."""
    json.dumps(value, ensure_ascii=False).encode()


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
