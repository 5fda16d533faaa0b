"""Files that are read as items: how they are opened, and what tells one from another."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from batchor_core.errors import SourceError

READ_BUFFER_BYTES = 1 << 18
_END_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 16
_BLOCKS = 512
_HASHED_BYTES = 2 * _END_BYTES + _BLOCKS * _BLOCK_BYTES
_READ_BYTES = 1 << 20


def open_source_file(path: Path) -> BinaryIO:
    """*path* for reading; `SourceError` when it is no regular file that can be read."""
    try:
        # Opening a named pipe would wait for a writer: look first.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "is a directory" if stat.S_ISDIR(mode) else "is not a regular file, so no run could read on in it"
            raise SourceError(f"{path} {what}; give the path of a file")
        return path.open("rb", buffering=READ_BUFFER_BYTES)
    except (OSError, ValueError) as error:
        raise source_fault(path, error) from error


def source_fault(path: Path | str, error: OSError | ValueError) -> SourceError:
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


def path_text(path: Path | str) -> str:
    r"""The path as text that JSON and databases take: bytes in a name that are no UTF-8 become `\xNN`."""
    return os.fsencode(path).decode(errors="backslashreplace")


def fingerprint(path: Path) -> str:
    """The file's size, and a SHA-256 over a bounded part of its content: `SIZE-HEX`.

    Up to 64 MiB the whole file is hashed. Of a larger one: the first 16 MiB, the last 16 MiB, and 512 blocks of
    64 KiB, evenly spaced in between. So a file that grew, shrank, or has other rows is noticed at any size for
    the cost of reading 64 MiB, while an edit of a larger file that keeps its size and touches none of these parts
    is not. The time of the last change is no part of it: a copy of a file is the same input.
    """
    with open_source_file(path) as file:
        try:
            return _fingerprint(file, file.seek(0, os.SEEK_END))
        except OSError as error:
            raise source_fault(path, error) from error


def content_change(path: Path, stored: str) -> str:
    """How the file's content differs from what it was when its fingerprint was *stored*, in words."""
    was_bytes = int(stored.partition("-")[0])
    with open_source_file(path) as file:
        try:
            now_bytes = file.seek(0, os.SEEK_END)
            # The beginning that is as long as the file was, hashed as the file was then.
            grew_at_its_end = now_bytes > was_bytes and _fingerprint(file, was_bytes) == stored
        except OSError as error:
            raise source_fault(path, error) from error
    name = path_text(path)
    if grew_at_its_end:
        return (
            f"rows were appended to {name}, which has grown from {was_bytes} to {now_bytes} bytes "
            "and begins as it did: read the new rows in a run of their own"
        )
    if now_bytes == was_bytes:
        return f"the content of {name} was changed, with {now_bytes} bytes as before"
    verb = "has grown" if now_bytes > was_bytes else "has shrunk"
    return f"the content of {name} was changed, which {verb} from {was_bytes} to {now_bytes} bytes"


def _fingerprint(file: BinaryIO, size_bytes: int) -> str:
    """Of the file's first *size_bytes* bytes."""
    sha256 = hashlib.sha256()
    for start, length in _hashed_parts(size_bytes):
        file.seek(start)
        left = length
        while left and (data := file.read(min(left, _READ_BYTES))):
            sha256.update(data)
            left -= len(data)
    return f"{size_bytes}-{sha256.hexdigest()}"


def _hashed_parts(size_bytes: int) -> Iterator[tuple[int, int]]:
    """Start and length of each part; together never more than 64 MiB."""
    if size_bytes <= _HASHED_BYTES:
        yield 0, size_bytes
        return
    yield 0, _END_BYTES
    free_bytes = size_bytes - _HASHED_BYTES
    for number in range(_BLOCKS):
        yield _END_BYTES + number * _BLOCK_BYTES + free_bytes * (number + 1) // (_BLOCKS + 1), _BLOCK_BYTES
    yield size_bytes - _END_BYTES, _END_BYTES
