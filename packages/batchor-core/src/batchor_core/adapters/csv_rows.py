"""From the lines of a CSV file to its rows, with the byte at which each ends."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import BinaryIO

from batchor_core.adapters.row_file import Place
from batchor_core.adapters.row_item import PlacedRow, names_in_short
from batchor_core.errors import SourceRowError

type CsvRow = dict[str, str]

_NO_FIELD_LIMIT = 2**31 - 1


def _csv_of_our_own() -> ModuleType:
    """A second instance of the parser behind the standard library's `csv`, without a limit on fields.

    `csv.field_size_limit` is one number for the whole program: to change it, even for a moment, would change what the
    user's own parsing accepts in another thread. Each instance of the module has a limit of its own. Ours needs none:
    no more than `max_row_bytes` of a row are ever given to it.
    """
    spec = find_spec("_csv")
    assert spec is not None  # noqa: S101  `csv` is in every standard library
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.field_size_limit(_NO_FIELD_LIMIT)
    return module


_CSV = _csv_of_our_own()
_parse: Callable[..., Iterator[list[str]]] = _CSV.reader
_CsvError: type[Exception] = _CSV.Error


class CsvReader:
    """A CSV file whose header is read."""

    def __init__(self, file: BinaryIO, name: str, *, delimiter: str, max_row_bytes: int) -> None:
        self._file = file
        self._name = name
        self._delimiter = delimiter
        self._max_row_bytes = max_row_bytes
        self._columns: list[str] = []
        self.first_row = Place(file.tell(), 0)
        header = next(self._parsed(self.first_row), None)
        if header is not None:
            columns, line, *behind = header
            self._columns = self._checked(columns, line)
            self.first_row = Place(*behind)
        names = "".join(f"{len(name)}:{name}" for name in self._columns)
        self.header = hashlib.sha256(names.encode()).hexdigest()[:16]

    def rows(self, place: Place) -> Iterator[PlacedRow[CsvRow]]:
        columns = self._columns
        width = len(columns)
        for cells, first_line, offset, line in self._parsed(place):
            if len(cells) != width:
                raise SourceRowError(self._name, first_line, _ragged(len(cells), width))
            yield dict(zip(columns, cells, strict=True)), first_line, offset, line

    def _parsed(self, place: Place) -> Iterator[PlacedRow[list[str]]]:
        """The cells of each row that is not blank."""
        lines = _Lines(self._file, place, max_row_bytes=self._max_row_bytes)
        first_line = lines.begin_row()
        try:
            for cells in _parse(iter(lines), delimiter=self._delimiter, strict=True):
                if cells:
                    yield cells, first_line, lines.offset, lines.line
                first_line = lines.begin_row()
        except (_CsvError, ValueError) as error:
            raise SourceRowError(self._name, first_line, _csv_problem(error, lines.line)) from error

    def _checked(self, columns: list[str], line: int) -> list[str]:
        if unnamed := [number for number, name in enumerate(columns, start=1) if not name]:
            problem = f"the header gives column {unnamed[0]} no name; name each column"
            raise SourceRowError(self._name, line, problem)
        if twice := [name for name, count in Counter(columns).items() if count > 1]:
            problem = f"the header names more than one column {names_in_short(twice)}; give each a name of its own"
            raise SourceRowError(self._name, line, problem)
        return columns


class _Lines:
    """Physical lines as text, for the parser, which takes no more of them than the row needs."""

    def __init__(self, file: BinaryIO, place: Place, *, max_row_bytes: int) -> None:
        self._file = file
        self._max_row_bytes = max_row_bytes
        self.offset, self.line = place
        self._row_bytes_left = 0

    def begin_row(self) -> int:
        """The number of the line that is read next; from here the bytes of a row are counted."""
        # One byte more than a row may have tells that it is too long, without reading the rest.
        self._row_bytes_left = self._max_row_bytes + 1
        return self.line + 1

    def __iter__(self) -> Iterator[str]:
        readline = self._file.readline
        while line := readline(self._row_bytes_left):
            self.offset += len(line)
            self.line += 1
            self._row_bytes_left -= len(line)
            if self._row_bytes_left == 0:
                raise ValueError(
                    f"is longer than {self._max_row_bytes} bytes; close its quotes, shorten it, or raise max_row_bytes"
                )
            text = line.decode()
            if "\0" in text:
                raise ValueError("holds a NUL byte, so it is no text; remove it, or save the file as UTF-8")
            yield text


def _ragged(cells: int, columns: int) -> str:
    remedy = "complete it" if cells < columns else "quote the cells that hold the delimiter"
    return f"has {cells} cells, and the header names {columns} columns; {remedy}"


def _csv_problem(error: Exception, last_line: int) -> str:
    text = str(error)
    match error:
        case UnicodeDecodeError():
            return f"byte {error.start + 1} of line {last_line} is not UTF-8; save the file as UTF-8"
        case ValueError():
            return text
        case _ if "end of data" in text:
            return "has a quote that is never closed; close it"
        case _ if "new-line" in text:
            return "has a carriage return outside of quotes; end lines with LF or CRLF"
        case _:
            return f"is not a row of CSV: {text}; put cells with quotes in quotes, and double those inside"
