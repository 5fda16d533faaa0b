"""Items from a file with one JSON object per line."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from batchor_core.adapters.source_file import fingerprint, open_source_file, source_fault
from batchor_core.domain.item import BatchItem
from batchor_core.domain.item_checks import item_id_fault
from batchor_core.errors import InvalidItemError, SourceError, SourceRowError
from batchor_core.json_types import JsonObject, JsonValue
from batchor_core.ports.sources import SourceIdentity

type JsonRow = dict[str, Any]

DEFAULT_MAX_LINE_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_SHOWN_KEYS = 10
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class _Position:
    """Where the next line begins, and how many lines lie before it."""

    offset: int
    line: int

    @classmethod
    def from_json(cls, checkpoint: JsonValue, *, path: Path) -> Self:
        match checkpoint:
            case {"offset": int(offset), "line": int(line)} if offset >= 0 and line >= 0:
                return cls(offset, line)
            case _:
                raise SourceError(f"{path}: {checkpoint!r} is no checkpoint of a JSONL source; start a new run id")


@dataclass(frozen=True, slots=True)
class _RowReader[PayloadT]:
    """From a line to an item."""

    path: Path
    item_id_from_row: Callable[[JsonRow], str]
    payload_from_row: Callable[[JsonRow], PayloadT]
    metadata_from_row: Callable[[JsonRow], JsonObject] | None
    max_line_bytes: int

    def item(self, line: bytes, number: int) -> BatchItem[PayloadT]:
        if len(line) > self.max_line_bytes:
            problem = f"is longer than {self.max_line_bytes} bytes; shorten it, or raise max_line_bytes"
            raise self._fault(number, problem)
        row = self._row(line, number)
        try:
            item_id = self.item_id_from_row(row)
            payload = self.payload_from_row(row)
            metadata = {} if self.metadata_from_row is None else self.metadata_from_row(row)
        except Exception as error:
            raise self._fault(number, _function_problem(error, row)) from error
        if (id_fault := item_id_fault(item_id)) is not None:
            raise InvalidItemError(f"{self.path}, line {number}: {id_fault}")
        return BatchItem(item_id, payload, metadata)

    def _row(self, line: bytes, number: int) -> JsonRow:
        try:
            row = _DECODER.decode(line.decode())
            if b"\\ud" in line or b"\\uD" in line:
                # Such an escape may be half of a surrogate pair: text that no request and no database takes.
                json.dumps(row, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise self._fault(number, _json_problem(error)) from error
        if not isinstance(row, dict):
            raise self._fault(number, f"holds a {type(row).__name__}; write one JSON object on each line")
        return row

    def _fault(self, number: int, problem: str) -> SourceRowError:
        return SourceRowError(str(self.path), number, problem)


class _JsonlCursor[PayloadT]:
    def __init__(self, file: BinaryIO, reader: _RowReader[PayloadT], position: _Position) -> None:
        self._file = file
        self._reader = reader
        self._offset = position.offset
        self._line = position.line

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        readline, read_item = self._file.readline, self._reader.item
        # One byte more than a line may have tells that it is too long, without reading the rest.
        limit = self._reader.max_line_bytes + 1
        offset, number = self._offset, self._line
        try:
            # A row that was refused is read again, not passed over.
            self._file.seek(offset)
            while line := readline(limit):
                number += 1
                offset += len(line)
                if line.isspace():
                    continue
                item = read_item(line, number)
                self._offset, self._line = offset, number
                yield item
        except OSError as error:
            raise source_fault(self._reader.path, error) from error

    def checkpoint(self) -> JsonValue:
        return {"offset": self._offset, "line": self._line}

    def close(self) -> None:
        self._file.close()


class JsonlItemSource[PayloadT]:
    r"""Rows of a JSON Lines file in UTF-8, one object per line.

    Lines end at the byte `\n` alone; a `\r` before it, blank lines, a byte order mark at the beginning and a missing
    `\n` at the end are all right. A line that is no JSON object, holds NaN or half of a surrogate pair, or has more than
    `max_line_bytes` (4 MiB) with its end, and a function that raises, is a `SourceRowError`; an id that is no text
    of 1 to 10,000 bytes is an `InvalidItemError`. Both name file and line, and nothing is passed over.

    A checkpoint is a byte offset, so that reading on costs the same anywhere. The identity is the absolute path with
    the fingerprint of `batchor_core.adapters.source_file`: size and hashed parts, not the time of the last change.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        item_id_from_row: Callable[[JsonRow], str],
        payload_from_row: Callable[[JsonRow], PayloadT],
        metadata_from_row: Callable[[JsonRow], JsonObject] | None = None,
        max_line_bytes: int = DEFAULT_MAX_LINE_BYTES,
    ) -> None:
        self._path = Path(path)
        self._reader = _RowReader(self._path, item_id_from_row, payload_from_row, metadata_from_row, max_line_bytes)

    def identity(self) -> SourceIdentity:
        return SourceIdentity("jsonl", str(self._path.absolute()), fingerprint(self._path))

    def open(self, checkpoint: JsonValue) -> _JsonlCursor[PayloadT]:
        file = open_source_file(self._path)
        try:
            position = self._start(file) if checkpoint is None else self._resume(file, checkpoint)
        except OSError as error:
            file.close()
            raise source_fault(self._path, error) from error
        except SourceError:
            file.close()
            raise
        return _JsonlCursor(file, self._reader, position)

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        cursor = self.open(None)
        try:
            yield from cursor
        finally:
            cursor.close()

    def _start(self, file: BinaryIO) -> _Position:
        return _Position(len(_BOM) if file.read(len(_BOM)) == _BOM else 0, 0)

    def _resume(self, file: BinaryIO, checkpoint: JsonValue) -> _Position:
        position = _Position.from_json(checkpoint, path=self._path)
        if position.line and not _is_end_of_line(file, position.offset):
            raise SourceError(
                f"{self._path}: byte {position.offset}, where the run stopped reading, is not the end of a line; "
                "the file was changed: restore it, or start a new run id"
            )
        return position


def _is_end_of_line(file: BinaryIO, offset: int) -> bool:
    size_bytes = file.seek(0, os.SEEK_END)
    if not 0 < offset <= size_bytes:
        return False
    file.seek(offset - 1)
    return file.read(1) == b"\n" or offset == size_bytes


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


# What json.loads(…, parse_constant=…) makes anew for each call.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


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


def _function_problem(error: Exception, row: JsonRow) -> str:
    keys = _clipped(", ".join(repr(key) for key in list(row)[:_SHOWN_KEYS])) or "none"
    raised = _clipped(f"{type(error).__name__}: {error}")
    return f"a function of the source raised {raised}; keys of the row: {keys}; correct the row or the function"


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
