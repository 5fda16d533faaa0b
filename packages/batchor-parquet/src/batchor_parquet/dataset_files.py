"""The Parquet files that make up a source, in their order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pad
import pyarrow.parquet as pq

from batchor_core.adapters.source_file import fingerprint, path_text
from batchor_core.errors import SourceError


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """One file: where it is, and how it is called within its source."""

    path: Path
    partition_id: str
    """Its path within the folder that was given, or its name."""
    partition_values: dict[str, Any]
    """What a hive-partitioned folder says of all its rows, such as `{"year": 2026}`."""


def dataset_files(paths: Sequence[Path]) -> list[DatasetFile]:
    """The files of *paths*, those of a folder sorted by name; `SourceError` when there is none."""
    return [file for path in paths for file in _files_of(path)]


def dataset_fingerprint(files: Sequence[DatasetFile]) -> str:
    """A SHA-256 over each file's name and fingerprint: a file that is added, changed, moved or gone is noticed."""
    sha256 = hashlib.sha256()
    for file in files:
        sha256.update(f"{path_text(file.partition_id)}\0{fingerprint(file.path)}\n".encode())
    return f"{len(files)}-{sha256.hexdigest()}"


def open_parquet(path: Path) -> pq.ParquetFile:
    """*path*, its footer read; `SourceError` when it is no Parquet file that can be read."""
    try:
        return pq.ParquetFile(path, memory_map=False, pre_buffer=False)
    except FileNotFoundError:
        raise SourceError(f"there is no file {path}; correct the path, or restore the file") from None
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> SourceError:
    """What an error of the library means for the file."""
    text = " ".join(str(error).split())[:300]
    return SourceError(f"{path} cannot be read as Parquet ({text}); restore the file, or write it again")


def _files_of(path: Path) -> list[DatasetFile]:
    if not path.is_dir():
        return [DatasetFile(path, path.name, {})]
    # What the library itself skips: names that begin with a dot or an underscore.
    found = sorted(
        file
        for file in path.rglob("*.parquet")
        if file.is_file() and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    )
    if not found:
        raise SourceError(f"{path} holds no *.parquet file; give the folder that does, or a file")
    values = _partition_values(path, found)
    return [
        DatasetFile(file, file.relative_to(path).as_posix(), given) for file, given in zip(found, values, strict=True)
    ]


def _partition_values(folder: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    """What the names of the folders say, typed as the library infers it over all of them."""
    dataset = pad.dataset([str(file) for file in files], partitioning="hive", partition_base_dir=str(folder))
    by_path = {
        fragment.path: pad.get_partition_keys(fragment.partition_expression) for fragment in dataset.get_fragments()
    }
    return [by_path[str(file)] for file in files]
