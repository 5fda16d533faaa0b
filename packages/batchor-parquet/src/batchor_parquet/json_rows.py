"""From record batches to rows: dicts that JSON can hold, in pieces that fit in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from batchor_core.adapters.row_item import clipped
from batchor_parquet.column_kinds import holds_map
from batchor_parquet.json_columns import NonFinite, UnfitValueError, as_json_column

type ParquetRow = dict[str, Any]

_PIECE_BYTES = 8 << 20
_VALUE_FAULTS = (UnfitValueError, pa.ArrowException, ValueError, OverflowError, RecursionError)


class RowFault(Exception):  # noqa: N818  told on as a SourceError, with its place
    """The next row is none; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class JsonRows:
    """How batches are read as rows."""

    non_finite: NonFinite
    max_row_bytes: int

    def of(self, batch: pa.RecordBatch) -> Iterator[ParquetRow]:
        """The rows of *batch*; `RowFault` in place of the first that is none, once those before it are given."""
        for piece in self._pieces(batch):
            try:
                rows = self._converted(piece)
            except _VALUE_FAULTS:
                # The fault is somewhere in the piece: one by one, the rows before it are not lost.
                for number in range(piece.num_rows):
                    yield self._row(piece.slice(number, 1))
            else:
                yield from rows

    def _pieces(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """*batch* in halves of halves, until each is small or a single row."""
        if batch.num_rows <= 1 or batch.nbytes <= min(_PIECE_BYTES, self.max_row_bytes):
            if batch.nbytes > self.max_row_bytes:
                raise RowFault(
                    f"it takes {batch.nbytes} bytes, more than {self.max_row_bytes}; "
                    "shorten it, leave long columns out of columns=, or raise max_row_bytes"
                )
            yield batch
            return
        middle = batch.num_rows // 2
        yield from self._pieces(batch.slice(0, middle))
        yield from self._pieces(batch.slice(middle))

    def _converted(self, piece: pa.RecordBatch) -> list[ParquetRow]:
        arrays = [as_json_column(array, self.non_finite) for array in piece.columns]
        converted = pa.RecordBatch.from_arrays(arrays, names=piece.schema.names)
        rows: list[ParquetRow] = converted.to_pylist()
        for name, array in zip(piece.schema.names, arrays, strict=True):
            if holds_map(array.type):
                for row in rows:
                    row[name] = _with_lists(row[name])
        return rows

    def _row(self, single: pa.RecordBatch) -> ParquetRow:
        row: ParquetRow = {}
        for name in single.schema.names:
            try:
                row |= self._converted(single.select([name]))[0]
            except _VALUE_FAULTS as error:
                raise RowFault(f"column {clipped(repr(name))}: {_problem(error)}") from error
        return row


def _with_lists(value: Any) -> Any:
    """*value* with lists for the tuples that Arrow makes of a map's entries."""
    match value:
        case dict():
            return {name: _with_lists(member) for name, member in value.items()}
        case list() | tuple():
            return [_with_lists(member) for member in value]
        case _:
            return value


def _problem(error: BaseException) -> str:
    match error:
        case UnfitValueError():
            return str(error)
        case UnicodeDecodeError():
            return "the text is not UTF-8; write it as UTF-8, or as a column of bytes"
        case _:
            said = clipped(" ".join(str(error).split()))
            return f"a value cannot be read ({said}); correct it, or leave the column out of columns="
