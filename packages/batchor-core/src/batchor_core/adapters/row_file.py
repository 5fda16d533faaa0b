"""What all files of rows have in common: identity, cursor, checkpoint."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, Self

from batchor_core.adapters.compressed_file import codec_of, open_decompressed
from batchor_core.adapters.row_item import PlacedRow, RowFunctions
from batchor_core.adapters.source_file import content_change, fingerprint, path_text, source_fault
from batchor_core.domain.item import BatchItem
from batchor_core.errors import SourceError
from batchor_core.json_types import JsonValue
from batchor_core.ports.sources import ItemStretch, SourceIdentity, describe_difference

_BOM = b"\xef\xbb\xbf"


class Place(NamedTuple):
    """Between two rows: a byte offset in the file's content, and the number of lines before it."""

    offset: int
    line: int


class RowReader[RowT](Protocol):
    """One open file, read up to its first row."""

    @property
    def first_row(self) -> Place: ...

    @property
    def header(self) -> str | None:
        """A short hash of what gives the rows their meaning; None when each row speaks for itself."""
        ...

    def rows(self, place: Place) -> Iterator[PlacedRow[RowT]]:
        """The rows from *place* on, where the file stands; `SourceRowError` for what is none."""
        ...


type OpenRows[RowT] = Callable[[BinaryIO, str], RowReader[RowT]]
"""From a file, behind its byte order mark, and the name by which errors call it."""


class RowFileCursor[RowT: Mapping[str, Any], PayloadT]:
    """One pass over a file of rows."""

    def __init__(
        self, file: BinaryIO, *, kind: str, reader: RowReader[RowT], functions: RowFunctions[RowT, PayloadT]
    ) -> None:
        self._file = file
        self._kind = kind
        self._reader = reader
        self._functions = functions
        self._offset, self._line = reader.first_row
        self._items = 0
        self._rows: Iterator[PlacedRow[RowT]] | None = None
        """The rows from there on; None where the file has to be set to that place before."""

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        while items := self.take(1).items:
            yield from items

    def take(self, limit: int) -> ItemStretch[PayloadT]:
        try:
            placed = self._next_rows(limit)
            stretch = self._functions.items(placed, self._items)
        except BaseException:
            # Whatever it was, what was not given out is read again.
            self._rows = None
            raise
        if taken := len(stretch.items):
            _, _, self._offset, self._line = placed[taken - 1]
            self._items += taken
        if taken < len(placed):
            self._rows = None
        return stretch

    def _next_rows(self, limit: int) -> list[PlacedRow[RowT]]:
        """The next rows up to one that is none, whose fault is raised when it is the first of them."""
        placed: list[PlacedRow[RowT]] = []
        try:
            if self._rows is None:
                # A row that was refused is read again, not passed over.
                self._file.seek(self._offset)
                self._rows = self._reader.rows(Place(self._offset, self._line))
            placed.extend(islice(self._rows, limit))
        except OSError as error:
            raise source_fault(self._functions.reference, error) from error
        except SourceError:
            if not placed:
                raise
            self._rows = None
        return placed

    def checkpoint(self) -> JsonValue:
        return {
            "kind": self._kind,
            "offset": self._offset,
            "line": self._line,
            "items": self._items,
            "header": self._reader.header,
        }

    def close(self) -> None:
        self._file.close()

    def resumed(self, checkpoint: JsonValue) -> Self:
        """The cursor behind *checkpoint*; what lies before it is decompressed where it is compressed, else not read."""
        match checkpoint:
            case {
                "kind": self._kind,
                "offset": int(offset),
                "line": int(line),
                "items": int(items),
                "header": str() | None as header,
            } if offset >= 0 and line >= 0 and items >= 0:
                self._check(offset, header, items=items)
            case _:
                raise self._fault(f"{checkpoint!r} is no checkpoint of a {self._kind} source; start a new run id")
        self._offset, self._line, self._items = offset, line, items
        return self

    def _check(self, offset: int, header: str | None, *, items: int) -> None:
        """Refuse a file that cannot be the one that the checkpoint was taken in."""
        if header != self._reader.header:
            problem = "the header or the delimiter is not the one that the run began with"
            raise self._fault(f"{problem}; restore it, or start a new run id")
        if items and not self._is_end_of_line(offset):
            problem = f"byte {offset}, where the run stopped reading, is not the end of a line"
            raise self._fault(f"{problem}; the file was changed: restore it, or start a new run id")

    def _is_end_of_line(self, offset: int) -> bool:
        """Whether a line ends right before *offset*, by its end or by the file's."""
        if offset == 0:
            return False
        self._file.seek(offset - 1)
        around = self._file.read(2)
        return around[:1] == b"\n" or len(around) == 1

    def _fault(self, problem: str) -> SourceError:
        return SourceError(f"{self._functions.reference}: {problem}")


class RowFileSource[RowT: Mapping[str, Any], PayloadT]:
    """A file of rows as a checkpointed source; each kind of file derives its own."""

    def __init__(
        self, path: Path, *, kind: str, open_rows: OpenRows[RowT], functions: RowFunctions[RowT, PayloadT]
    ) -> None:
        codec_of(path)  # a missing package is told here, before anything is stored
        self._path = path
        self._kind = kind
        self._open_rows = open_rows
        self._functions = functions

    def identity(self) -> SourceIdentity:
        return SourceIdentity(self._kind, path_text(self._path.absolute()), fingerprint(self._path))

    def difference_from(self, stored: SourceIdentity) -> str:
        given = self.identity()
        if (stored.kind, stored.reference) != (given.kind, given.reference):
            return describe_difference(stored, given)
        return content_change(self._path, stored.fingerprint)

    def open(self, checkpoint: JsonValue) -> RowFileCursor[RowT, PayloadT]:
        file = open_decompressed(self._path)
        try:
            file.seek(len(_BOM) if file.read(len(_BOM)) == _BOM else 0)
            reader = self._open_rows(file, self._functions.reference)
            cursor = RowFileCursor(file, kind=self._kind, reader=reader, functions=self._functions)
            return cursor if checkpoint is None else cursor.resumed(checkpoint)
        except OSError as error:
            file.close()
            raise source_fault(self._functions.reference, error) from error
        except BaseException:
            file.close()
            raise

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        cursor = self.open(None)
        try:
            yield from cursor
        finally:
            cursor.close()
