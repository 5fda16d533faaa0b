"""The files of objects: opened without following links."""

import io
import os
import stat
import sys
from collections.abc import Buffer
from contextlib import suppress
from typing import Literal

from batchor_artifacts.place import Place, sync_file
from batchor_core.errors import ArtifactError

# Without O_NONBLOCK, opening a named pipe that somebody put there would wait for ever.
FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


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
            if not self.closed and self.readable():
                _let_go_if_read_through(self)
            super().close()

    def sync(self) -> None:
        with self._place.faults("sync"):
            sync_file(self.fileno())

    def is_named(self, leaf: str) -> bool:
        """Whether that name, in the object's folder, still leads to this file."""
        with self._place.faults("look at"), suppress(FileNotFoundError):
            # Opened, not only looked at: on NFS a host may answer from what it remembers of a name for a minute, but
            # asks the server when it opens one.
            descriptor = os.open(leaf, os.O_RDONLY | FILE_FLAGS, dir_fd=self._place.folder)
            try:
                return os.path.samestat(os.fstat(descriptor), os.fstat(self.fileno()))
            finally:
                os.close(descriptor)
        return False


def _let_go_if_read_through(file: io.FileIO) -> None:
    """Give what the system remembers of a file back when its reader is at the end.

    It is sent or applied then, and hardly read again. A run is larger than memory: what it passes on would push out what
    others need, its own database as well, and each byte would go into a page that the system has to find first.
    """
    if sys.platform == "linux":
        # Only a hint: whatever is wrong with it, the file has to be closed.
        with suppress(OSError):
            if file.tell() == os.fstat(file.fileno()).st_size:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def open_for_reading(place: Place) -> ObjectFile:
    """`ArtifactError` for a link, and for all that is no regular file."""
    with place.faults("open"):
        descriptor = os.open(place.leaf, os.O_RDONLY | FILE_FLAGS, dir_fd=place.folder)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return ObjectFile(descriptor, "rb", place)
    os.close(descriptor)
    raise ArtifactError(f"what stands at artifact {place.name!r} in {place.root} is no regular file; take it away")


def lost_bytes(place: Place, *, stored: int, needed: int) -> ArtifactError:
    return ArtifactError(
        f"artifact {place.name!r} in {place.root} has {stored} bytes, but {needed} were stored: "
        f"the last {needed - stored} are lost; restore the file from a backup, or start a new run"
    )
