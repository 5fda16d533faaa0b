"""Artifacts as files below one folder."""

import io
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchor_artifacts.access import GROUP, OWNER_ONLY
from batchor_artifacts.appending import open_for_appending
from batchor_artifacts.faults import told_as_artifact_error
from batchor_artifacts.file_writer import FileWriter
from batchor_artifacts.object_file import lost_bytes, open_for_reading
from batchor_artifacts.place import Place, open_place, walk_root
from batchor_artifacts.unfinished import open_unfinished, remove_leftovers
from batchor_core.errors import ArtifactError, ArtifactNotFoundError
from batchor_core.failpoints import around
from batchor_core.ports.artifacts import ArtifactWriter

_READ_BUFFER_BYTES = 1 << 16


class LocalArtifactStore:
    """The artifact port on a folder: of a disk, or of a file system that several hosts share, such as NFS.

    `root` is made when the first object is written, with mode 0700 like all folders below it; files have 0600.
    A root that others own or can write is refused with `ArtifactError`. With *shared_with_group*, all members of the
    root's group may read and write: folders have 2770, files 0660, and only a root that everybody can write, or of
    a foreign group, is refused. Safe for use by several threads, processes and hosts: nothing relies on locks,
    process ids or a common clock, but on renames that are atomic and on names made for one writer alone (`O_EXCL`).

    An unfinished `create` is a file `.NAME.HOST-PID-RANDOM.tmp` beside the object; one that nobody has written to for
    an hour is removed when an object of its folder is next written or deleted. `append` writes into a new file, which
    takes the object's name when it is opened: at a byte *n* > 0 that costs a copy of *n* bytes. What another
    writer, which had the object open, writes from then on is in no object, and its `sync` is a `LeaseLostError`. Empty
    folders stay.
    """

    def __init__(self, root: Path | str, *, shared_with_group: bool = False) -> None:
        self._root = Path(root).absolute()
        self._access = GROUP if shared_with_group else OWNER_ONLY

    @contextmanager
    def append(self, name: str, *, at: int) -> Generator[ArtifactWriter]:
        with self._place(name, make=at == 0) as place, closing(open_for_appending(place, at=at)) as file:
            writer = FileWriter(file, place, leaf=place.leaf, failpoint="artifact.append", new=True)
            yield writer
            writer.flush()

    @contextmanager
    def create(self, name: str) -> Generator[ArtifactWriter]:
        with self._place(name, make=True) as place:
            unfinished = open_unfinished(place)
            try:
                writer = FileWriter(
                    unfinished.file, place, leaf=unfinished.leaf, failpoint="artifact.create", new=False
                )
                yield writer
                # Content first: a name that became durable before it would show a short object after a power loss.
                writer.sync()
                unfinished.take_name(place, failpoint="artifact.create.rename")
                place.sync_folders("artifact.create.sync_folders")
            finally:
                unfinished.discard(place)

    def open(self, name: str) -> BinaryIO:
        with self._place(name) as place:
            return io.BufferedReader(open_for_reading(place), _READ_BUFFER_BYTES)

    def size(self, name: str) -> int:
        with self._place(name) as place, open_for_reading(place) as file:
            return os.fstat(file.fileno()).st_size

    def read(self, name: str, *, offset: int, length: int) -> bytes:
        with self._place(name) as place, open_for_reading(place) as file:
            if offset < 0 or length < 0:
                raise ArtifactError(f"artifact {name!r} has no {length} bytes at {offset}; neither can be negative")
            # Look before reading: a length from a damaged database must not become an allocation.
            size_bytes = os.fstat(file.fileno()).st_size
            if offset + length > size_bytes:
                raise lost_bytes(place, stored=size_bytes, needed=offset + length)
            with place.faults("read"):
                data = _read_range(file.fileno(), offset, length)
            if len(data) < length:
                raise lost_bytes(place, stored=offset + len(data), needed=offset + length)
            return data

    def names(self, prefix: str) -> Iterator[str]:
        with suppress(ArtifactNotFoundError), told_as_artifact_error("list", name=prefix, root=self._root):
            return iter(sorted(walk_root(self._root, prefix, access=self._access)))
        return iter(())

    def delete(self, name: str) -> None:
        with suppress(ArtifactNotFoundError), self._place(name) as place, place.faults("delete"):
            with around("artifact.delete"):
                os.unlink(place.leaf, dir_fd=place.folder)
            place.sync_folders("artifact.delete.sync_folders")
            remove_leftovers(place, now_s=os.fstat(place.folder).st_mtime)

    def _place(self, name: str, *, make: bool = False) -> AbstractContextManager[Place]:
        return open_place(self._root, name, access=self._access, make=make)


def _read_range(descriptor: int, offset: int, length: int) -> bytes:
    """That range, shorter only at the end of the file; one call of the system reads 2 GB at most."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length and (more := os.pread(descriptor, length - len(data), offset + len(data))):
        data += more
    return data
