"""The Parquet files that make up a source, in their order."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from batchor_core.adapters.source_file import path_text, source_fault
from batchor_core.errors import SourceError

type PartitionValue = str | int | None


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a dataset."""

    path: Path
    name: str
    """Relative to the dataset's root, with `/`."""
    partition: Mapping[str, PartitionValue] = field(default_factory=dict)
    """What a hive-partitioned folder says of all its rows, such as `{"year": 2026}`."""


def dataset_root(paths: Sequence[Path]) -> Path:
    """The folder to which file names are relative: the one folder that was given, or the nearest above all paths."""
    absolute = [path.absolute() for path in paths]
    if len(absolute) == 1 and absolute[0].is_dir():
        return absolute[0]
    return Path(os.path.commonpath([path if path.is_dir() else path.parent for path in absolute]))


def dataset_files(paths: Sequence[Path]) -> list[DataFile]:
    """The files at *paths*, those of folders included at any depth, sorted by name.

    Of a folder, the `*.parquet` files count, but for those that the library skips: a name on the way begins with `.` or `_`.
    `SourceError` for a folder without any, and for a file that is named twice; no file is opened.
    """
    try:
        root = dataset_root(paths)
        # However the paths come, as from an unsorted glob, the items come in one order.
        files = sorted(
            (file for path in paths for file in _files_at(path.absolute(), root)), key=lambda file: file.name
        )
    except (OSError, ValueError) as error:
        raise source_fault(paths[0], error) from error
    for file, following in pairwise(files):
        if file.path == following.path:
            raise SourceError(f"{path_text(file.path)} is named twice among the paths; name each file once")
    return files


def _files_at(path: Path, root: Path) -> Iterator[DataFile]:
    if not path.is_dir():
        yield DataFile(path, _name(path, root))
        return
    found = [file for file in path.rglob("*.parquet") if not _is_hidden(file.relative_to(path)) and file.is_file()]
    if not found:
        raise SourceError(f"{path_text(path)} holds no *.parquet file; give the folder that does, or a file")
    for file, partition in zip(found, _partitions(path, found), strict=True):
        yield DataFile(file, _name(file, root), partition)


def _is_hidden(name: Path) -> bool:
    return any(part.startswith((".", "_")) for part in name.parts)


def _partitions(folder: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    """What the names of the folders say, typed as the library infers it over all of them."""
    if not any("=" in part for file in files for part in file.relative_to(folder).parts[:-1]):
        return [{} for _ in files]
    try:
        factory = ds.FileSystemDatasetFactory(
            fs.LocalFileSystem(),
            [str(file) for file in files],
            ds.ParquetFileFormat(),
            ds.FileSystemFactoryOptions(
                partition_base_dir=str(folder), partitioning=ds.HivePartitioning.discover(), exclude_invalid_files=False
            ),
        )
        # The names alone tell: a file that is damaged, or has a column of that name, is told of when it is read.
        fragments = factory.finish(factory.inspect(fragments=0)).get_fragments()
        keys = {fragment.path: ds.get_partition_keys(fragment.partition_expression) for fragment in fragments}
    except pa.ArrowException as error:
        raise SourceError(f"the folders below {path_text(folder)} name no partitions ({error}); rename them") from error
    return [dict(sorted(keys[str(file)].items())) for file in files]


def _name(path: Path, root: Path) -> str:
    return path_text(path.relative_to(root).as_posix())
