"""Files that have no object's name yet, and what killed processes left of them.

Several hosts may write below one root, on a file system on which locks and process ids mean nothing to the others.
So nothing here asks whether a writer still lives: names are taken by one host alone, a file becomes an object by
one rename, and what is left over is known by its age.
"""

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from batchor_artifacts.object_file import FILE_FLAGS, ObjectFile
from batchor_artifacts.place import Place
from batchor_core.errors import LeaseLostError
from batchor_core.failpoints import around

ABANDONED_AFTER_S = 3_600
"""A writer that has not written for so long has lost its connection or its host; if not, it is told so in the end."""

_HOST = re.sub(r"[^a-z0-9]", "", socket.gethostname().lower())[:12] or "host"
_LEFTOVER = re.compile(r"\..+\.[a-z0-9]{1,12}-\d+-[0-9a-f]{16}\.tmp")


@dataclass(frozen=True, slots=True)
class UnfinishedFile:
    """A file beside the object's, which only its maker knows."""

    leaf: str
    file: ObjectFile

    def take_name(self, place: Place, *, failpoint: str) -> None:
        """Become the object, in place of what had the name before."""
        with around(failpoint), place.faults("rename"):
            try:
                os.rename(self.leaf, place.leaf, src_dir_fd=place.folder, dst_dir_fd=place.folder)
            except FileNotFoundError:
                # Another host took it for a leftover: this process has slept.
                raise LeaseLostError(f"artifact {place.name!r}") from None

    def discard(self, place: Place) -> None:
        self.file.close()
        with suppress(OSError):
            os.unlink(self.leaf, dir_fd=place.folder)


def open_unfinished(place: Place) -> UnfinishedFile:
    """A new file for the object of *place*; what is left over in its folder is removed."""
    leaf = f".{place.leaf}.{_HOST}-{os.getpid()}-{secrets.token_hex(8)}.tmp"
    with place.faults("create"):
        descriptor = os.open(
            leaf, os.O_RDWR | os.O_CREAT | os.O_EXCL | FILE_FLAGS, place.access.file_mode, dir_fd=place.folder
        )
        file = ObjectFile(descriptor, "wb", place)
        try:
            place.access.give_file(descriptor)
            remove_leftovers(place, now_s=os.fstat(descriptor).st_mtime)
        except BaseException:
            file.close()
            raise
    return UnfinishedFile(leaf, file)


def remove_leftovers(place: Place, *, now_s: float) -> None:
    """Remove the unfinished files of the folder that are old at *now_s*, a time of the file system's own clock."""
    for leaf in _unfinished_leaves(place):
        with suppress(FileNotFoundError):
            status = os.stat(leaf, dir_fd=place.folder, follow_symlinks=False)
            if status.st_mtime < now_s - ABANDONED_AFTER_S:
                os.unlink(leaf, dir_fd=place.folder)


def _unfinished_leaves(place: Place) -> Iterator[str]:
    return filter(_LEFTOVER.fullmatch, os.listdir(place.folder))  # noqa: PTH208  a Path takes no descriptor
