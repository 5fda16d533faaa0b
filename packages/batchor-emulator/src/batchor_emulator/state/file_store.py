"""Uploaded files and results: a content file and a record beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from batchor_emulator.identifiers import FILE_ID
from batchor_emulator.state.private_files import (
    create_private,
    make_private_dir,
    remove_leftovers,
    rename_durably,
    write_all,
    write_durably,
)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What the API tells about a file. Times are Unix seconds."""

    id: str
    filename: str
    purpose: str
    bytes: int
    created_at: float
    expires_at: float | None = None


class PendingFile:
    """A file that is still being written; nobody can see it until the store keeps it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.byte_count = 0
        self._descriptor = create_private(path)

    def write(self, data: bytes | bytearray) -> None:
        """Append *data*."""
        write_all(self._descriptor, data)
        self.byte_count += len(data)

    def finish(self) -> None:
        """Sync and close; nothing can be written any more."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1

    def discard(self) -> None:
        """Remove it; nothing happens when it has already been kept."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.path.unlink(missing_ok=True)


class FileStore:
    """All files, newest last. Records are read once, at the start, and served from memory.

    A file exists from the moment when its record has its final name: the content gets its
    name before, and loses it after, so a crash leaves no record without content.
    """

    def __init__(self, folder: Path) -> None:
        make_private_dir(folder)
        remove_leftovers(folder)
        self._folder = folder
        self._records = {record.id: record for record in sorted(self._stored(), key=lambda r: r.created_at)}
        self._remove_orphans()

    def pending(self) -> PendingFile:
        """A new, empty file to write to."""
        return PendingFile(self._folder / f".{os.urandom(12).hex()}.tmp")

    def keep(self, pending: PendingFile, record: FileRecord) -> None:
        """Turn *pending* into the file *record*; doing it again replaces the file."""
        pending.finish()
        rename_durably(pending.path, self.content_path(record.id))
        write_durably(self._record_path(record.id), orjson.dumps(record))
        self._records[record.id] = record

    def get(self, file_id: str) -> FileRecord | None:
        """The file, or None when it never existed, was deleted or has expired."""
        record = self._records.get(file_id)
        if record is None or _has_expired(record):
            return None
        return record

    def newest_first(self) -> Iterator[FileRecord]:
        """All files that exist now."""
        return (record for record in reversed(tuple(self._records.values())) if not _has_expired(record))

    def delete(self, file_id: str) -> bool:
        """Remove a file; False when there is none."""
        record = self.get(file_id)
        if record is None or self._records.pop(file_id, None) is None:
            return False
        self._record_path(file_id).unlink(missing_ok=True)
        self.content_path(file_id).unlink(missing_ok=True)
        return True

    def content_path(self, file_id: str) -> Path:
        """Where the bytes are. *file_id* must come from a record, never from a caller."""
        return self._folder / f"{file_id}.content"

    def _record_path(self, file_id: str) -> Path:
        return self._folder / f"{file_id}.json"

    def _stored(self) -> Iterator[FileRecord]:
        for path in self._folder.glob("*.json"):
            if FILE_ID.fullmatch(path.stem):
                yield FileRecord(**orjson.loads(path.read_bytes()))

    def _remove_orphans(self) -> None:
        for path in self._folder.glob("*.content"):
            if path.stem not in self._records:
                path.unlink()


def _has_expired(record: FileRecord) -> bool:
    return record.expires_at is not None and record.expires_at <= time.time()
