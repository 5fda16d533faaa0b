"""One Parquet file: opened, described, and read in batches of rows that fit in memory."""

from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from batchor_core.adapters.row_item import clipped
from batchor_core.adapters.source_file import open_source_file, path_text, source_fault
from batchor_core.errors import SourceError
from batchor_parquet.dataset_files import DataFile

_MAX_BATCH_ROWS = 1_024
_BATCH_BYTES = 8 << 20
_DICTIONARY_ROWS = 64
_DICTIONARY_BYTES = 64 << 20
_READ_BUFFERS_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class OpenParquet:
    """A file whose footer is read."""

    file: DataFile
    parquet: pq.ParquetFile

    @property
    def name(self) -> str:
        return path_text(self.file.path)

    @property
    def schema(self) -> pa.Schema:
        return self.parquet.schema_arrow

    @property
    def rows(self) -> int:
        return int(self.parquet.metadata.num_rows)

    @property
    def groups(self) -> int:
        return int(self.parquet.num_row_groups)

    def rows_of(self, group: int) -> int:
        return int(self.parquet.metadata.row_group(group).num_rows)

    def batches(self, group: int, columns: Collection[str], *, skip: int) -> Iterator[pa.RecordBatch]:
        """The rows of one row group behind the first *skip*, which are decoded, as Parquet asks, and dropped.

        No other row group is touched. In memory there are up to 1,024 rows of up to 8 MiB together, and of each
        column one page and its dictionary.
        """
        decoded = self.parquet.iter_batches(
            batch_size=self._decoded_rows(group), row_groups=[group], columns=list(columns), use_threads=False
        )
        return _gathered(_behind(skip, _told(self.name, decoded)))

    def _decoded_rows(self, group: int) -> int:
        """How many rows to decode at once: as many as take some 8 MiB, by their average.

        A dictionary holds a value once however many rows have it. So that a small file can't swell without bound, what the row
        group would be if each row held all of it counts too, as far as batches of 64 rows.
        """
        # Of the row group, and not of its columns: the library ends the process over damaged metadata of a column.
        metadata = self.parquet.metadata.row_group(group)
        size_bytes = max(int(metadata.total_byte_size), 1)
        by_average = _BATCH_BYTES * int(metadata.num_rows) // size_bytes
        by_dictionary = max(_DICTIONARY_ROWS, _DICTIONARY_BYTES // size_bytes)
        return max(1, min(_MAX_BATCH_ROWS, by_average, by_dictionary))


@contextmanager
def open_parquet(file: DataFile, *, columns: int | None = None) -> Generator[OpenParquet]:
    """The file at hand; `SourceError` when it is none, or damaged. *columns*: how many will be read at once."""
    name = path_text(file.path)
    with open_source_file(file.path) as handle:
        buffer_bytes = max(1 << 14, min(1 << 20, _READ_BUFFERS_BYTES // max(columns or 1, 1)))
        try:
            # Without pre-buffering, or the whole row group would be held in memory.
            parquet = pq.ParquetFile(
                handle, pre_buffer=False, buffer_size=buffer_bytes, page_checksum_verification=True
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _fault(name, error) from error
        yield OpenParquet(file, parquet)


def _told(name: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """*batches*, with every fault told as a `SourceError`."""
    try:
        yield from batches
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise _fault(name, error) from error


def _behind(skip: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if skip < batch.num_rows:
            yield batch.slice(skip)
        skip = max(0, skip - batch.num_rows)


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Small batches put together, for each has its price; with values where they had dictionaries."""
    waiting: list[pa.RecordBatch] = []
    rows = size_bytes = 0
    for batch in map(_with_values, batches):
        batch_bytes = batch.nbytes
        if waiting and (rows + batch.num_rows > _MAX_BATCH_ROWS or size_bytes + batch_bytes > _BATCH_BYTES):
            yield pa.concat_batches(waiting)
            waiting, rows, size_bytes = [], 0, 0
        waiting.append(batch)
        rows += batch.num_rows
        size_bytes += batch_bytes
    if waiting:
        yield pa.concat_batches(waiting)


def _with_values(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Only so can a batch's bytes be counted row by row."""
    if not any(types.is_dictionary(array.type) for array in batch.columns):
        return batch
    arrays = [array.dictionary_decode() if types.is_dictionary(array.type) else array for array in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _fault(name: str, error: Exception) -> SourceError:
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, pa.ArrowException):
        return source_fault(name, error)
    said = clipped(" ".join(str(error).split()))
    if "crypt" in said:
        return SourceError(f"{name} is encrypted ({said}); decrypt it, or leave the encrypted columns out of columns=")
    return SourceError(f"{name} cannot be read as Parquet ({said}); restore the file, or write it again")
