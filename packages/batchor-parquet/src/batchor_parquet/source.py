"""Items from Parquet files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from batchor_core.domain.item import BatchItem
from batchor_core.domain.item_checks import item_id_fault
from batchor_core.domain.lineage import Lineage, metadata_fault, with_lineage
from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError
from batchor_core.json_types import JsonObject, JsonValue
from batchor_core.ports.sources import SourceIdentity
from batchor_parquet.dataset_files import DatasetFile, damaged, dataset_files, dataset_fingerprint, open_parquet
from batchor_parquet.json_rows import NotFiniteError, json_rows

type ParquetRow = dict[str, Any]

_BATCH_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the next row lies: file, row group, row in the group; and how many items were before it."""

    file: int = 0
    row_group: int = 0
    row: int = 0
    items: int = 0

    @classmethod
    def from_json(cls, checkpoint: JsonValue, *, reference: str) -> Self:
        match checkpoint:
            case {"file": int(file), "row_group": int(row_group), "row": int(row), "items": int(items)} if (
                min(file, row_group, row, items) >= 0
            ):
                return cls(file, row_group, row, items)
            case _:
                raise SourceError(
                    f"{reference}: {checkpoint!r} is no checkpoint of a Parquet source; start a new run id"
                )


@dataclass(frozen=True, slots=True)
class _RowReader[PayloadT]:
    """From a row to an item, by the functions that the user gave."""

    reference: str
    item_id_from_row: Callable[[ParquetRow], str]
    payload_from_row: Callable[[ParquetRow], PayloadT]
    metadata_from_row: Callable[[ParquetRow], JsonObject] | None

    def item(self, row: ParquetRow, file: DatasetFile, place: _Place) -> BatchItem[PayloadT]:
        where = f"{file.path}, row group {place.row_group}, row {place.row + 1}"
        try:
            item_id = self.item_id_from_row(row)
            payload = self.payload_from_row(row)
            metadata = {} if self.metadata_from_row is None else self.metadata_from_row(row)
        except Exception as error:
            columns = ", ".join(map(repr, list(row)[:10]))
            raise SourceError(
                f"{where}: a function of the source raised {type(error).__name__}: {error}; "
                f"columns of the row: {columns}; correct the row or the function"
            ) from error
        if (fault := item_id_fault(item_id) or metadata_fault(metadata)) is not None:
            raise InvalidItemError(f"{where}: {fault}")
        lineage = Lineage(self.reference, place.items, item_id, partition_id=file.partition_id)
        return BatchItem(item_id, payload, with_lineage(metadata, lineage))


class _ParquetCursor[PayloadT]:
    def __init__(
        self,
        files: Sequence[DatasetFile],
        columns: Sequence[str],
        reader: _RowReader[PayloadT],
        place: _Place,
    ) -> None:
        self._files = files
        self._columns = columns
        self._reader = reader
        self._place = place
        self._open: pq.ParquetFile | None = None

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        while self._place.file < len(self._files):
            yield from self._items_of(self._files[self._place.file])
            self._place = _Place(self._place.file + 1, items=self._place.items)

    def checkpoint(self) -> JsonValue:
        place = self._place
        return {"file": place.file, "row_group": place.row_group, "row": place.row, "items": place.items}

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _items_of(self, file: DatasetFile) -> Iterator[BatchItem[PayloadT]]:
        self.close()
        parquet = self._open = open_parquet(file.path)
        columns = _stored_columns(parquet, file, self._columns)
        number_of_groups = parquet.metadata.num_row_groups
        while self._place.row_group < number_of_groups:
            for row in self._rows(parquet, file, columns):
                place = self._place
                item = self._reader.item(row, file, place)
                # After the item is made: one that was refused comes again.
                self._place = _Place(place.file, place.row_group, place.row + 1, place.items + 1)
                yield item
            self._place = _Place(self._place.file, self._place.row_group + 1, items=self._place.items)

    def _rows(self, parquet: pq.ParquetFile, file: DatasetFile, columns: list[str]) -> Iterator[ParquetRow]:
        """The rest of the row group, from the place on."""
        group, skip = self._place.row_group, self._place.row
        given = {name: value for name, value in file.partition_values.items() if name in self._columns}
        try:
            for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False):
                if skip >= batch.num_rows:
                    skip -= batch.num_rows
                    continue
                rows = json_rows(batch.slice(skip))
                skip = 0
                yield from (row | given for row in rows) if given else rows
        except NotFiniteError as error:
            raise SourceError(
                f"{file.path}, row group {group}, near row {self._place.row + 1}: {error}; correct it, or leave the column out"
            ) from error
        except (OSError, pa.ArrowException) as error:
            raise damaged(file.path, error) from error


class ParquetItemSource[PayloadT]:
    """Rows of Parquet files: one file, several, or folders of them, hive-partitioned or not.

    `columns` are read and no others (a partition's value counts as a column); rows are dictionaries of JSON's values,
    see `batchor_parquet.json_rows`. Files of a folder come sorted by name. One row group at a time is decoded, 1,024
    rows at once. A checkpoint is file, row group and row: reading on begins with that row group.

    The identity is the absolute path (of several, all) with a hash over the files' names and fingerprints. A missing
    column, a damaged file, NaN, or a function that raises is a `SourceError`, a wrong id an `InvalidItemError`; both name file,
    row group (from 0) and row (from 1).
    """

    def __init__(
        self,
        path: Path | str | Sequence[Path | str],
        *,
        columns: Sequence[str],
        item_id_from_row: Callable[[ParquetRow], str],
        payload_from_row: Callable[[ParquetRow], PayloadT],
        metadata_from_row: Callable[[ParquetRow], JsonObject] | None = None,
    ) -> None:
        if not columns or isinstance(columns, str):
            raise ConfigurationError('columns must name at least one column, such as columns=["id", "text"]')
        given = [path] if isinstance(path, Path | str) else path
        self._paths = [Path(each) for each in given]
        if not self._paths:
            raise ConfigurationError("a ParquetItemSource needs at least one path")
        self._columns = list(columns)
        reference = ", ".join(map(str, self._paths))
        self._reader = _RowReader(reference, item_id_from_row, payload_from_row, metadata_from_row)

    def identity(self) -> SourceIdentity:
        reference = ", ".join(str(path.absolute()) for path in self._paths)
        return SourceIdentity("parquet", reference, dataset_fingerprint(dataset_files(self._paths)))

    def open(self, checkpoint: JsonValue) -> _ParquetCursor[PayloadT]:
        reference = self._reader.reference
        place = _Place() if checkpoint is None else _Place.from_json(checkpoint, reference=reference)
        return _ParquetCursor(dataset_files(self._paths), self._columns, self._reader, place)

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        cursor = self.open(None)
        try:
            yield from cursor
        finally:
            cursor.close()


def _stored_columns(parquet: pq.ParquetFile, file: DatasetFile, wanted: Sequence[str]) -> list[str]:
    """Those of *wanted* that the file itself holds; a partition gives the others, or a `SourceError` names them."""
    stored = set(parquet.schema_arrow.names)
    missing = [name for name in wanted if name not in stored and name not in file.partition_values]
    if missing:
        known = ", ".join(map(repr, [*parquet.schema_arrow.names, *file.partition_values][:20]))
        raise SourceError(
            f"{file.path} has no column {', '.join(map(repr, missing))}; it has {known}: correct columns="
        )
    return [name for name in wanted if name in stored]
