"""Which columns of a dataset are read, and whether each of its files has them, alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from batchor_core.adapters.row_item import clipped, names_in_short
from batchor_core.errors import SourceError
from batchor_parquet.column_kinds import Kind, UnsupportedTypeError, first_doubled, kind_in_words, kind_of, merged
from batchor_parquet.dataset_files import PartitionValue
from batchor_parquet.parquet_file import OpenParquet


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """The columns of one file that become its rows, in their order."""

    file_name: str
    names: tuple[str, ...]
    kinds: Mapping[str, Kind]
    partition: Mapping[str, PartitionValue]
    """Columns that the folders give, and not the file."""

    @property
    def stored(self) -> list[str]:
        return [name for name in self.names if name not in self.partition]

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The columns in their order, those that the folders give included."""
        given = {name: pa.repeat(pa.scalar(value), batch.num_rows) for name, value in self.partition.items()}
        arrays = [given[name] if name in given else batch.column(name) for name in self.names]
        return pa.RecordBatch.from_arrays(arrays, names=list(self.names))


def choose(opened: OpenParquet, wanted: Sequence[str]) -> ChosenColumns:
    """The *wanted* columns of a file; `SourceError` when one is missing, or can't become JSON.

    Where a folder and the file both have a column, the file's counts.
    """
    schema = opened.schema
    known = [*schema.names, *(name for name in opened.file.partition if name not in schema.names)]
    if missing := [name for name in wanted if name not in known]:
        raise SourceError(
            f"{opened.name} has no column {names_in_short(missing)}; it has {names_in_short(known)}: correct columns="
        )
    if (doubled := first_doubled(name for name in known if name in wanted)) is not None:
        raise SourceError(f"{opened.name}: two columns are called {clipped(repr(doubled))}; rename one")
    partition = {name: opened.file.partition[name] for name in wanted if name not in schema.names}
    kinds = {name: _kind_of_value(partition[name]) if name in partition else _kind(opened, name) for name in wanted}
    return ChosenColumns(opened.name, tuple(wanted), kinds, partition)


def agreed(before: ChosenColumns, this: ChosenColumns) -> ChosenColumns:
    """*this* as the next file beside all *before*; `SourceError` where a column is of another kind."""
    kinds: dict[str, Kind] = {}
    for name in before.names:
        kind = merged(before.kinds[name], this.kinds[name])
        if kind is None:
            raise SourceError(
                f"column {clipped(repr(name))} is {kind_in_words(before.kinds[name])} in {before.file_name} "
                f"and {kind_in_words(this.kinds[name])} in {this.file_name}; write the files with one schema, "
                "leave the column out of columns=, or read them as two sources"
            )
        kinds[name] = kind
    return ChosenColumns(this.file_name, before.names, kinds, this.partition)


def _kind_of_value(value: PartitionValue) -> Kind:
    return kind_of(pa.scalar(value).type)


def _kind(opened: OpenParquet, name: str) -> Kind:
    try:
        return kind_of(opened.schema.field(name).type)
    except UnsupportedTypeError as error:
        raise SourceError(
            f"{opened.name}: column {clipped(repr(name))} has {clipped(str(error))}, which JSON cannot hold; "
            "convert it, or leave it out of columns="
        ) from error
