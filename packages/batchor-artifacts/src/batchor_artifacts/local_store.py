"""Artifacts as files below one folder."""

import io
import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchor_artifacts.faults import told_as_artifact_error
from batchor_artifacts.file_writer import FileWriter
from batchor_artifacts.object_file import (
    lost_bytes,
    open_for_appending,
    open_for_reading,
    open_unfinished,
    remove_leftovers,
)
from batchor_artifacts.place import open_place, walk_root
from batchor_core.errors import ArtifactError, ArtifactNotFoundError
from batchor_core.failpoints import around
from batchor_core.ports.artifacts import ArtifactWriter

_READ_BUFFER_BYTES = 1 << 16


class LocalArtifactStore:
    """The artifact port on a local file system, or a shared one with file locks (flock).

    `root` is made when the first object is written, with mode 0700 like all folders below it; files have 0600.
    A root that others own or can write is refused with `ArtifactError`. Safe for use by several threads and processes.

    An unfinished `create` is a file `.NAME.RANDOM.tmp` beside the object; those of crashed processes are removed
    when the object is next created or deleted. While one writer has an object open, `append` gives the next one a
    copy; what the first one writes from then on is in no object, and its `sync` is a `LeaseLostError`. Empty folders
    stay.
    """

    def __init__(self, root: Path | str) -> None:
        self._root = Path(root).absolute()

    @contextmanager
    def append(self, name: str, *, at: int) -> Generator[ArtifactWriter]:
        with open_place(self._root, name, make=at == 0) as place, closing(open_for_appending(place, at=at)) as file:
            writer = FileWriter(file, place, leaf=place.leaf, failpoint="artifact.append", new=at == 0)
            yield writer
            writer.flush()

    @contextmanager
    def create(self, name: str) -> Generator[ArtifactWriter]:
        with open_place(self._root, name, make=True) as place:
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
        with open_place(self._root, name) as place:
            return io.BufferedReader(open_for_reading(place), _READ_BUFFER_BYTES)

    def size(self, name: str) -> int:
        with open_place(self._root, name) as place, open_for_reading(place) as file:
            return os.fstat(file.fileno()).st_size

    def read(self, name: str, *, offset: int, length: int) -> bytes:
        with open_place(self._root, name) as place, open_for_reading(place) as file:
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
            return iter(sorted(walk_root(self._root, prefix)))
        return iter(())

    def delete(self, name: str) -> None:
        with suppress(ArtifactNotFoundError), open_place(self._root, name) as place, place.faults("delete"):
            remove_leftovers(place)
            with around("artifact.delete"):
                os.unlink(place.leaf, dir_fd=place.folder)
            place.sync_folders("artifact.delete.sync_folders")


def _read_range(descriptor: int, offset: int, length: int) -> bytes:
    """That range, shorter only at the end of the file; one call of the system reads 2 GB at most."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length and (more := os.pread(descriptor, length - len(data), offset + len(data))):
        data += more
    return data
