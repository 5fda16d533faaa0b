"""What tells one dataset from another, at a price that is bounded whatever its size."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from batchor_core.adapters.source_file import fingerprint, open_source_file, path_text, source_fault
from batchor_parquet.chosen_columns import ChosenColumns, agreed, choose
from batchor_parquet.dataset_files import DataFile
from batchor_parquet.parquet_file import open_parquet

_HASHED_BYTES = 1 << 30
_HASHED_BYTES_PER_FILE = 64 << 20
_SAMPLED_FILES = 16
_FOOTER_END_BYTES = 8
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DatasetFingerprint:
    """How much a dataset holds, and a SHA-256 over its files' names, footers and content: `FILES-ROWS-BYTES-HEX`."""

    files: int
    rows: int
    size_bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.files}-{self.rows}-{self.size_bytes}-{self.sha256}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        match text.split("-"):
            case [files, rows, size_bytes, sha256] if files.isdecimal() and rows.isdecimal() and size_bytes.isdecimal():
                return cls(int(files), int(rows), int(size_bytes), sha256)
            case _:
                return None

    @property
    def amount(self) -> str:
        return f"{self.files} files with {self.rows} rows in {self.size_bytes} bytes"


def dataset_fingerprint(files: Sequence[DataFile], columns: Sequence[str]) -> DatasetFingerprint:
    """Of *files*, all of which are opened: `SourceError` for one that is damaged, or whose columns don't fit.

    Each file's relative name, size and whole footer are hashed, and with the footer the place, the size and the statistics of
    every row group. Their content is hashed too, by `batchor_core.adapters.source_file.fingerprint`: of all
    files while that reads no more than 1 GiB, else of 16 of them, evenly spaced.
    """
    sizes = [_size_bytes(file) for file in files]
    hashed = _hashed_files(sizes)
    sha256, rows = hashlib.sha256(), 0
    chosen: ChosenColumns | None = None
    for number, (file, size_bytes) in enumerate(zip(files, sizes, strict=True)):
        with open_parquet(file) as opened:
            its = choose(opened, columns)
            rows += opened.rows
        chosen = its if chosen is None else agreed(chosen, its)
        content = fingerprint(file.path) if number in hashed else None
        sha256.update(json.dumps([file.name, size_bytes, _footer_sha256(file), content]).encode() + b"\n")
    return DatasetFingerprint(len(files), rows, sum(sizes), sha256.hexdigest())


def _hashed_files(sizes: Sequence[int]) -> set[int]:
    if sum(min(size_bytes, _HASHED_BYTES_PER_FILE) for size_bytes in sizes) <= _HASHED_BYTES:
        return set(range(len(sizes)))
    return {number * (len(sizes) - 1) // (_SAMPLED_FILES - 1) for number in range(_SAMPLED_FILES)}


def _size_bytes(file: DataFile) -> int:
    with open_source_file(file.path) as handle:
        return handle.seek(0, os.SEEK_END)


def _footer_sha256(file: DataFile) -> str:
    """Over the footer and the 8 bytes behind it: its length and `PAR1`."""
    sha256 = hashlib.sha256()
    with open_source_file(file.path) as handle:
        try:
            end = handle.seek(-_FOOTER_END_BYTES, os.SEEK_END)
            footer_bytes = int.from_bytes(handle.read(4), "little")
            handle.seek(max(0, end - footer_bytes))
            while data := handle.read(_READ_BYTES):
                sha256.update(data)
        except OSError as error:
            raise source_fault(path_text(file.path), error) from error
    return sha256.hexdigest()
