"""The files of objects: opened without following links, locked while they are written."""

import errno
import fcntl
import io
import os
import re
import secrets
import stat
from collections.abc import Buffer
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from batchor_artifacts.place import Place, sync_file
from batchor_core.errors import ArtifactError
from batchor_core.failpoints import around, failpoint

_FILE_MODE = 0o600
# Without O_NONBLOCK, opening a named pipe that somebody put there would wait for ever.
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_COPY_BYTES = 1 << 20


class ObjectFile(io.FileIO):
    """An open file of an object; its faults are `ArtifactError`s."""

    def __init__(self, descriptor: int, mode: Literal["rb", "wb"], place: Place) -> None:
        self._place = place
        super().__init__(descriptor, mode)

    def write(self, data: Buffer, /) -> int:
        with self._place.faults("write"):
            return super().write(data)

    def readinto(self, buffer: Buffer, /) -> int:
        with self._place.faults("read"):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._place.faults("read"):
            return super().readall()

    def close(self) -> None:
        with self._place.faults("close"):
            super().close()

    def sync(self) -> None:
        with self._place.faults("sync"):
            sync_file(self.fileno())

    def is_named(self, leaf: str) -> bool:
        """Whether that name, in the object's folder, still leads to this file."""
        with self._place.faults("look at"), suppress(FileNotFoundError):
            named = os.stat(leaf, dir_fd=self._place.folder, follow_symlinks=False)
            return os.path.samestat(named, os.fstat(self.fileno()))
        return False


@dataclass(frozen=True, slots=True)
class UnfinishedFile:
    """A file that has no object's name yet."""

    leaf: str
    file: ObjectFile

    def take_name(self, place: Place, *, failpoint: str) -> None:
        """Become the object, in place of what had the name before."""
        with around(failpoint), place.faults("rename"):
            os.rename(self.leaf, place.leaf, src_dir_fd=place.folder, dst_dir_fd=place.folder)

    def discard(self, place: Place) -> None:
        self.file.close()
        with suppress(OSError):
            os.unlink(self.leaf, dir_fd=place.folder)


def open_for_reading(place: Place) -> ObjectFile:
    with place.faults("open"):
        return ObjectFile(_opened(place, os.O_RDONLY), "rb", place)


def open_for_appending(place: Place, *, at: int) -> ObjectFile:
    """The object's file, locked, cut back to *at* bytes and positioned there."""
    with place.faults("open"):
        file = _locked_object(place, at)
        try:
            with around("artifact.append.cut"):
                file.truncate(at)
            file.seek(at)
        except BaseException:
            file.close()
            raise
        return file


def open_unfinished(place: Place) -> UnfinishedFile:
    """A new file for the object of *place*; what crashed processes left of earlier ones is removed."""
    with place.faults("create"):
        remove_leftovers(place)
        while True:
            leaf = f".{place.leaf}.{secrets.token_hex(8)}.tmp"
            file = ObjectFile(_made(place, leaf), "wb", place)
            failpoint("artifact.create.lock")
            # Between making and locking it, another process may have taken it for a leftover.
            if _lock(file.fileno()) and file.is_named(leaf):
                return UnfinishedFile(leaf, file)
            file.close()


def remove_leftovers(place: Place) -> None:
    """Remove unfinished files of the object whose process is gone: those that nobody holds locked."""
    pattern = re.compile(rf"\.{re.escape(place.leaf)}\.[0-9a-f]{{16}}\.tmp")
    for leaf in os.listdir(place.folder):  # noqa: PTH208  a Path takes no descriptor
        if pattern.fullmatch(leaf):
            with suppress(FileNotFoundError):
                _remove_unless_locked(place, leaf)


def lost_bytes(place: Place, *, stored: int, needed: int) -> ArtifactError:
    return ArtifactError(
        f"artifact {place.name!r} in {place.root} has {stored} bytes, but {needed} were stored: "
        f"the last {needed - stored} are lost; restore the file from a backup, or start a new run"
    )


def _locked_object(place: Place, at: int) -> ObjectFile:
    while True:
        file = ObjectFile(_reopened(place) if at else _reopened_or_made(place), "wb", place)
        try:
            stored = os.fstat(file.fileno()).st_size
            if stored < at:
                raise lost_bytes(place, stored=stored, needed=at)
            failpoint("artifact.append.lock")
            if not _lock(file.fileno()):
                return _taken_over(place, file, at)
            if file.is_named(place.leaf):
                return file
        except BaseException:
            file.close()
            raise
        # It was replaced before it was locked: what is written to it would be lost.
        file.close()


def _taken_over(place: Place, held: ObjectFile, at: int) -> ObjectFile:
    """A copy of the first *at* bytes, under the object's name.

    Somebody still has the file open: a worker that lost its lease, perhaps asleep, with a full buffer. Whatever
    it writes when it wakes must not land between the bytes of its successor; it keeps the old file, which has no
    name any more.
    """
    with held:
        unfinished = open_unfinished(place)
        try:
            _copy(held.fileno(), unfinished.file, size_bytes=at)
            with around("artifact.take_over.sync"):
                unfinished.file.sync()
            unfinished.take_name(place, failpoint="artifact.take_over.rename")
            place.sync_folders("artifact.take_over.sync_folders")
        except BaseException:
            unfinished.discard(place)
            raise
        return unfinished.file


def _copy(source: int, target: ObjectFile, *, size_bytes: int) -> None:
    copied = 0
    while piece := os.pread(source, min(_COPY_BYTES, size_bytes - copied), copied):
        copied += target.write(piece)
        target.seek(copied)
    if copied < size_bytes:
        raise BlockingIOError(errno.EAGAIN, "another process cut it back meanwhile")


def _reopened_or_made(place: Place) -> int:
    while True:
        with suppress(FileNotFoundError):
            return _reopened(place)
        with suppress(FileExistsError):
            return _made(place, place.leaf)


def _reopened(place: Place) -> int:
    descriptor = _opened(place, os.O_RDWR)
    if os.fstat(descriptor).st_uid == os.geteuid():
        return descriptor
    os.close(descriptor)
    raise ArtifactError(
        f"the file of artifact {place.name!r} in {place.root} belongs to another user; "
        "give it to the user that runs batchor (chown), or start a new run"
    )


def _opened(place: Place, access: int) -> int:
    descriptor = os.open(place.leaf, access | _FLAGS, dir_fd=place.folder)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise ArtifactError(f"what stands at artifact {place.name!r} in {place.root} is no regular file; take it away")


def _made(place: Place, leaf: str) -> int:
    return os.open(leaf, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, _FILE_MODE, dir_fd=place.folder)


def _lock(descriptor: int) -> bool:
    """Whether this opening of the file now holds its lock; it is free again when that is closed, or its process dead."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_unless_locked(place: Place, leaf: str) -> None:
    descriptor = os.open(leaf, os.O_RDWR | _FLAGS, dir_fd=place.folder)
    try:
        if _lock(descriptor):
            os.unlink(leaf, dir_fd=place.folder)
    finally:
        os.close(descriptor)
