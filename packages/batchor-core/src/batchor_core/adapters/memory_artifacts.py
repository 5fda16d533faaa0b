"""Artifacts in memory: for tests, and for runs that need not outlive their process."""

import io
from collections.abc import Buffer, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import BinaryIO

from batchor_core.domain.artifact_name import check_artifact_name
from batchor_core.errors import ArtifactError, ArtifactNotFoundError, LeaseLostError
from batchor_core.ports.artifacts import ArtifactWriter

_PLACE = "memory"
_READ_BUFFER_BYTES = 1 << 16


@dataclass(slots=True, eq=False)
class _Object:
    """The bytes of an object. Whoever opened it keeps it, whatever its name leads to later, as with a file."""

    content: bytearray = field(default_factory=bytearray)
    being_written: bool = False
    replaced: bool = False
    lock: Lock = field(default_factory=Lock)

    def write(self, data: bytes) -> int:
        with self.lock:
            self.content += data
        return len(data)

    def range(self, start: int, end: int) -> bytes:
        # The slice is a copy: a view of the bytearray would forbid the writer to let it grow.
        with self.lock:
            return bytes(self.content[start:end])

    def size(self) -> int:
        with self.lock:
            return len(self.content)


class _Writer:
    def __init__(self, target: _Object, name: str) -> None:
        self._target = target
        self._name = name

    def write(self, data: bytes, /) -> int:
        return self._target.write(data)

    def sync(self) -> int:
        if self._target.replaced:
            raise LeaseLostError(f"artifact {self._name!r}")
        return self._target.size()


class _Reader(io.RawIOBase):
    def __init__(self, source: _Object) -> None:
        super().__init__()
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._source.range(self._position, self._position + len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size()}[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to {start + offset}, before the beginning")
        self._position = start + offset
        return self._position


class MemoryArtifactStore:
    """The artifact port on bytearrays; safe for use by several threads."""

    def __init__(self) -> None:
        self._objects: dict[str, _Object] = {}
        self._lock = Lock()

    @contextmanager
    def append(self, name: str, *, at: int) -> Generator[ArtifactWriter]:
        target = self._cut_back(check_artifact_name(name), at)
        try:
            yield _Writer(target, name)
        finally:
            target.being_written = False

    @contextmanager
    def create(self, name: str) -> Generator[ArtifactWriter]:
        check_artifact_name(name)
        target = _Object()
        yield _Writer(target, name)
        with self._lock:
            self._name(target, name)

    def open(self, name: str) -> BinaryIO:
        return io.BufferedReader(_Reader(self._find(name)), _READ_BUFFER_BYTES)

    def size(self, name: str) -> int:
        return self._find(name).size()

    def read(self, name: str, *, offset: int, length: int) -> bytes:
        found = self._find(name)
        size = found.size()
        if not 0 <= offset <= offset + length <= size:
            raise ArtifactError(
                f"artifact {name!r} in {_PLACE} has {size} bytes, so {length} bytes from byte {offset} on cannot be "
                "read; start a new run"
            )
        return found.range(offset, offset + length)

    def names(self, prefix: str) -> Iterator[str]:
        with self._lock:
            return iter(sorted(name for name in self._objects if name.startswith(prefix)))

    def delete(self, name: str) -> None:
        check_artifact_name(name)
        with self._lock:
            if (former := self._objects.pop(name, None)) is not None:
                former.replaced = True

    def _find(self, name: str) -> _Object:
        check_artifact_name(name)
        with self._lock:
            found = self._objects.get(name)
        if found is None:
            raise ArtifactNotFoundError(name, place=_PLACE)
        return found

    def _cut_back(self, name: str, at: int) -> _Object:
        with self._lock:
            found = self._objects.get(name, _Object())
            size = found.size()
            if not 0 <= at <= size:
                raise ArtifactError(
                    f"artifact {name!r} in {_PLACE} has {size} bytes, but {at} were stored; start a new run"
                )
            if found.being_written:
                # A worker that lost its lease may still write; what it writes must not mix with the successor's.
                found = _Object(found.content[:at])
            with found.lock:
                del found.content[at:]
            found.being_written = True
            self._name(found, name)
            return found

    def _name(self, target: _Object, name: str) -> None:
        former = self._objects.get(name)
        if former is not None and former is not target:
            former.replaced = True
        self._objects[name] = target
