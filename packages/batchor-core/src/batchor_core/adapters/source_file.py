"""Files that are read as items: how they are opened, and what tells one from another."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from batchor_core.errors import SourceError

_READ_BUFFER_BYTES = 1 << 18
_END_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 14
_BLOCKS = 62


def open_source_file(path: Path) -> BinaryIO:
    """*path* for reading; `SourceError` when it is no regular file that can be read."""
    try:
        # Opening a named pipe would wait for a writer: look first.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "is a directory" if stat.S_ISDIR(mode) else "is not a regular file, so no run could read on in it"
            raise SourceError(f"{path} {what}; give the path of a file")
        return path.open("rb", buffering=_READ_BUFFER_BYTES)
    except (OSError, ValueError) as error:
        raise source_fault(path, error) from error


def source_fault(path: Path, error: OSError | ValueError) -> SourceError:
    """What a fault of the file system means, and what to do about it."""
    match error:
        case FileNotFoundError():
            return SourceError(f"there is no file {path}; correct the path, or restore the file")
        case PermissionError():
            return SourceError(f"{path} cannot be read by this user; grant it the right to read")
        case OSError():
            return SourceError(f"{path} cannot be read ({error.strerror or error}); correct that and start again")
        case _:
            return SourceError(f"{str(path)!r} is not a path ({error}); correct it")


def fingerprint(path: Path) -> str:
    """The file's size, and a SHA-256 over a bounded part of its content: `SIZE-HEX`.

    Up to 3,112,960 bytes the whole file is hashed. Of a larger one: the first MiB, the last MiB, and 62 blocks of
    16 KiB, evenly spaced in between. So a file that grew, shrank, or has other rows is noticed at any size for
    the cost of 3 MB, while an edit that keeps the size and touches none of these parts is not. The time of the
    last change is no part of it: a copy of a file is the same input.
    """
    with open_source_file(path) as file:
        try:
            size_bytes = file.seek(0, os.SEEK_END)
            sha256 = hashlib.sha256()
            for start, length in _hashed_parts(size_bytes):
                file.seek(start)
                sha256.update(file.read(length))
        except OSError as error:
            raise source_fault(path, error) from error
    return f"{size_bytes}-{sha256.hexdigest()}"


def _hashed_parts(size_bytes: int) -> Iterator[tuple[int, int]]:
    if size_bytes <= 2 * _END_BYTES + _BLOCKS * _BLOCK_BYTES:
        yield 0, size_bytes
        return
    yield 0, _END_BYTES
    free_bytes = size_bytes - 2 * _END_BYTES - _BLOCKS * _BLOCK_BYTES
    for number in range(_BLOCKS):
        yield _END_BYTES + number * _BLOCK_BYTES + free_bytes * (number + 1) // (_BLOCKS + 1), _BLOCK_BYTES
    yield size_bytes - _END_BYTES, _END_BYTES
