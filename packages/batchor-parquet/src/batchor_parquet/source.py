"""Items from Parquet files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from batchor_core.adapters.row_item import DEFAULT_MAX_ROW_BYTES, checked_limit, clipped, names_in_short
from batchor_core.adapters.source_file import path_text
from batchor_core.domain.item import BatchItem
from batchor_core.domain.item_checks import item_id_fault
from batchor_core.domain.lineage import Lineage, metadata_fault, with_lineage
from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError
from batchor_core.json_types import JsonObject, JsonValue
from batchor_core.ports.sources import SourceIdentity, describe_difference
from batchor_parquet.chosen_columns import ChosenColumns, agreed, choose
from batchor_parquet.column_kinds import first_doubled
from batchor_parquet.dataset_files import DataFile, dataset_files
from batchor_parquet.dataset_identity import DatasetFingerprint, dataset_fingerprint
from batchor_parquet.json_columns import NonFinite
from batchor_parquet.json_rows import JsonRows, ParquetRow, RowFault
from batchor_parquet.parquet_file import OpenParquet, open_parquet

_KIND = "parquet"
_NO_METADATA: JsonObject = {}
_SHOWN_PATHS = 3


class _Place(NamedTuple):
    """Between two rows: so many files, row groups of the next file, and rows of its next group lie before it."""

    file: int = 0
    group: int = 0
    row: int = 0


class _IdFault(RowFault):
    """A function of the source returned what can't be an item."""


@dataclass(frozen=True, slots=True)
class _RowFunctions[PayloadT]:
    """What a user says about the rows."""

    reference: str
    item_id_from_row: Callable[[ParquetRow], str]
    payload_from_row: Callable[[ParquetRow], PayloadT]
    metadata_from_row: Callable[[ParquetRow], JsonObject] | None

    def item(self, row: ParquetRow, index: int, file_name: str) -> BatchItem[PayloadT]:
        """The source's item number *index* from 0, with its lineage; `RowFault` when there is none in the row."""
        try:
            item_id = self.item_id_from_row(row)
            payload = self.payload_from_row(row)
            metadata = _NO_METADATA if self.metadata_from_row is None else self.metadata_from_row(row)
        except Exception as error:
            raised = clipped(f"{type(error).__name__}: {error}")
            raise RowFault(
                f"a function of the source raised {raised}; columns of the row: {names_in_short(list(row))}; "
                "correct the row or the function"
            ) from error
        fault = item_id_fault(item_id)
        if fault is None and metadata is not _NO_METADATA:
            fault = metadata_fault(metadata)
        if fault is not None:
            raise _IdFault(fault)
        lineage = Lineage(self.reference, index, item_id, partition_id=file_name)
        return BatchItem(item_id, payload, with_lineage(metadata, lineage))


@dataclass(frozen=True, slots=True)
class _Reading[PayloadT]:
    """How a dataset is read."""

    columns: tuple[str, ...]
    rows: JsonRows
    functions: _RowFunctions[PayloadT]


class _ParquetCursor[PayloadT]:
    """One pass over a dataset."""

    def __init__(self, files: Sequence[DataFile], reading: _Reading[PayloadT]) -> None:
        self._files = files
        self._reading = reading
        self._place = _Place()
        self._items = 0
        self._open_file = ExitStack()
        self._first: ChosenColumns | None = None

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        self.close()
        # This pass's own: an older one that is dropped later must not close the file of this one.
        open_file = self._open_file = ExitStack()
        while self._place.file < len(self._files):
            file = self._files[self._place.file]
            with open_file:
                opened = open_file.enter_context(open_parquet(file, columns=len(self._reading.columns)))
                yield from self._file_items(opened)
            self._place = _Place(self._place.file + 1)

    def checkpoint(self) -> JsonValue:
        place = self._place
        name = self._files[place.file].name if place.file < len(self._files) else None
        return {
            "kind": _KIND,
            "file": place.file,
            "name": name,
            "row_group": place.group,
            "row": place.row,
            "items": self._items,
        }

    def close(self) -> None:
        self._open_file.close()

    def resumed(self, checkpoint: JsonValue) -> Self:
        """The cursor behind *checkpoint*; of what lies before, at most the rows of the same row group are decoded."""
        match checkpoint:
            case {
                "kind": "parquet",
                "file": int(file),
                "name": str() | None as name,
                "row_group": int(group),
                "row": int(row),
                "items": int(items),
            } if min(file, group, row, items) >= 0:
                self._check(_Place(file, group, row), name)
            case _:
                reference = self._reading.functions.reference
                raise SourceError(
                    f"{reference}: {checkpoint!r} is no checkpoint of a Parquet source; start a new run id"
                )
        self._place, self._items = _Place(file, group, row), items
        return self

    def _check(self, place: _Place, name: str | None) -> None:
        """Refuse a dataset that cannot be the one that the checkpoint was taken in."""
        known = self._files[place.file].name if place.file < len(self._files) else None
        if known != name or place.file > len(self._files):
            raise SourceError(
                f"{self._reading.functions.reference}: the run stopped reading in file number {place.file + 1}, "
                f"{name!r}, which is {known!r} now; restore the files, or start a new run id"
            )
        if name is None or place == _Place(place.file):
            return
        with open_parquet(self._files[place.file]) as opened:
            if place.group > opened.groups or (place.row and place.row > _rows_of(opened, place.group)):
                raise SourceError(
                    f"{opened.name}: there is no row {place.row} in row group {place.group}, where the run stopped "
                    "reading; the file was changed: restore it, or start a new run id"
                )

    def _file_items(self, opened: OpenParquet) -> Iterator[BatchItem[PayloadT]]:
        columns = choose(opened, self._reading.columns)
        columns = agreed(self._first, columns) if self._first is not None else columns
        self._first = self._first or columns
        while (place := self._place).group < opened.groups:
            for batch in opened.batches(place.group, columns.stored, skip=place.row):
                try:
                    yield from self._items_of(self._reading.rows.of(columns.of(batch)), opened.file.name)
                except RowFault as fault:
                    raise self._told(fault, opened) from fault.__cause__
            self._place = _Place(place.file, place.group + 1)

    def _items_of(self, rows: Iterable[ParquetRow], file_name: str) -> Iterator[BatchItem[PayloadT]]:
        file, group, behind = self._place
        read_item = self._reading.functions.item
        for row in rows:
            item = read_item(row, self._items, file_name)
            behind += 1
            self._place = _Place(file, group, behind)
            self._items += 1
            yield item

    def _told(self, fault: RowFault, opened: OpenParquet) -> SourceError:
        _, group, row = self._place
        kind = InvalidItemError if isinstance(fault, _IdFault) else SourceError
        return kind(f"{opened.name}, row group {group}, row {row + 1}: {fault}")


class ParquetItemSource[PayloadT]:
    """Rows of Parquet files: one file, several, or folders of them, hive-partitioned or not, in the order of their names.

    `columns` are read and no others (a partition's value counts as a column, where the file has none of that name). They must
    be of one kind in all files: integers and numbers, or text and dates, are two, while integers of any width, or
    text and a dictionary of texts, are one, and a column of nulls alone is of any.

    Rows are dictionaries of JSON's values. Timestamps, dates and times become ISO 8601 (a timestamp with a zone in UTC),
    durations seconds, decimals and UUIDs strings, binary Base64, structs objects, maps lists of `[key, value]`. NaN and
    infinity are refused, or become None with `non_finite="null"`; so are moments outside of the years 1 to 9999.

    A missing column, a damaged file, a value that is refused, a row of more than `max_row_bytes` (4 MiB, as Arrow counts them), or a
    function that raises is a `SourceError`, a wrong id an `InvalidItemError`; both name file, row group (from 0) and row
    (from 1). The rows before are given, and nothing is passed over. `identity()` opens every file, so that what is
    wrong with one is told before anything is stored.

    A checkpoint is file, row group and row: reading on opens that file and decodes that row group alone. In memory there are
    at most 1,024 rows of 8 MiB together, or one longer row, and of each column a page and its dictionary, whatever the size
    of row groups and files. The identity covers names, footers and content (`batchor_parquet.dataset_identity`).
    """

    def __init__(
        self,
        path: Path | str | Iterable[Path | str],
        *,
        columns: Sequence[str],
        item_id_from_row: Callable[[ParquetRow], str],
        payload_from_row: Callable[[ParquetRow], PayloadT],
        metadata_from_row: Callable[[ParquetRow], JsonObject] | None = None,
        non_finite: NonFinite = "error",
        max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
    ) -> None:
        self._paths = [Path(path)] if isinstance(path, Path | str) else [Path(each) for each in path]
        if not self._paths:
            raise ConfigurationError("a ParquetItemSource needs at least one path")
        if non_finite not in {"error", "null"}:
            raise ConfigurationError(f"non_finite is {non_finite!r}; give 'error' or 'null'")
        self._columns = _checked_columns(columns)
        self._reading = _Reading(
            self._columns,
            JsonRows(non_finite, checked_limit(max_row_bytes)),
            _RowFunctions(_reference(self._paths), item_id_from_row, payload_from_row, metadata_from_row),
        )

    def identity(self) -> SourceIdentity:
        fingerprint = dataset_fingerprint(dataset_files(self._paths), self._columns)
        return SourceIdentity(_KIND, _reference([path.absolute() for path in sorted(self._paths)]), str(fingerprint))

    def difference_from(self, stored: SourceIdentity) -> str:
        given = self.identity()
        was, now = DatasetFingerprint.parse(stored.fingerprint), DatasetFingerprint.parse(given.fingerprint)
        if (stored.kind, stored.reference) != (given.kind, given.reference) or was is None or now is None:
            return describe_difference(stored, given)
        if was.amount == now.amount:
            return f"the content of {given.reference} was changed, which has {now.amount} as before"
        remark = "; read new files in a run of their own" if now.files > was.files else ""
        return f"the content of {given.reference} was changed, which had {was.amount} and has {now.amount}{remark}"

    def open(self, checkpoint: JsonValue) -> _ParquetCursor[PayloadT]:
        cursor = _ParquetCursor(dataset_files(self._paths), self._reading)
        return cursor if checkpoint is None else cursor.resumed(checkpoint)

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        cursor = self.open(None)
        try:
            yield from cursor
        finally:
            cursor.close()


def _reference(paths: Sequence[Path]) -> str:
    """For people, and of bounded length: a thousand files of a glob would be stored with each item."""
    shown = ", ".join(path_text(path) for path in paths[:_SHOWN_PATHS])
    return shown if len(paths) <= _SHOWN_PATHS else f"{shown} and {len(paths) - _SHOWN_PATHS} more"


def _checked_columns(columns: Sequence[str]) -> tuple[str, ...]:
    if not columns or isinstance(columns, str):
        raise ConfigurationError('columns must name at least one column, such as columns=["id", "text"]')
    if (doubled := first_doubled(columns)) is not None:
        raise ConfigurationError(f"columns names {doubled!r} twice; name each column once")
    return tuple(columns)


def _rows_of(opened: OpenParquet, group: int) -> int:
    return opened.rows_of(group) if group < opened.groups else 0
