"""Artifacts on a medium that loses its power: what was not synced is gone, or half of it, or zeros in its place."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from random import Random
from typing import BinaryIO

from batchor_core.errors import ArtifactNotFoundError
from batchor_core.ports.artifacts import ArtifactStore, ArtifactWriter


class PowerLossArtifacts:
    """An `ArtifactStore` around another, which keeps of each object what the port promises to be durable.

    `lose_power` then leaves just that, and of the rest what a real medium may leave: nothing, a part, or a tail of
    zeros. A deletion is never promised, so a deleted object may be there again. All who write must be dead by then.
    """

    def __init__(self, inner: ArtifactStore, *, seed: int = 0) -> None:
        self._inner = inner
        self._durable: dict[str, bytes] = {}
        self._rng = Random(seed)  # noqa: S311  repeatable on purpose

    @contextmanager
    def append(self, name: str, *, at: int) -> Generator[ArtifactWriter]:
        with self._inner.append(name, at=at) as writer:
            yield _WatchedWriter(writer, lambda: self._keep(name))

    @contextmanager
    def create(self, name: str) -> Generator[ArtifactWriter]:
        with self._inner.create(name) as writer:
            yield writer
        self._keep(name)

    def open(self, name: str) -> BinaryIO:
        return self._inner.open(name)

    def size(self, name: str) -> int:
        return self._inner.size(name)

    def read(self, name: str, *, offset: int, length: int) -> bytes:
        return self._inner.read(name, offset=offset, length=length)

    def names(self, prefix: str) -> Iterator[str]:
        return self._inner.names(prefix)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def lose_power(self) -> None:
        """Let every object become what it may be when the power comes back."""
        for name in sorted({*self._inner.names(""), *self._durable}):
            left = self._what_is_left(self._durable.get(name), self._content(name))
            if left is None:
                self._inner.delete(name)
                self._durable.pop(name, None)
            else:
                with self._inner.create(name) as writer:
                    writer.write(left)
                self._durable[name] = left

    def _what_is_left(self, durable: bytes | None, written: bytes | None) -> bytes | None:
        if durable is None:
            return self._rng.choice([None, self._torn(written or b"")])
        if written is None:
            return self._rng.choice([None, durable])
        if written.startswith(durable):
            return durable + self._torn(written[len(durable) :])
        # It was begun anew, and not synced since.
        return self._rng.choice([durable, self._torn(written)])

    def _torn(self, unsynced: bytes) -> bytes:
        """What is left of bytes that were not synced: a part of them, and perhaps zeros for the rest."""
        kept = unsynced[: self._rng.randint(0, len(unsynced))]
        return kept if self._rng.random() < 0.5 else kept + bytes(len(unsynced) - len(kept))

    def _keep(self, name: str) -> None:
        content = self._content(name)
        if content is not None:
            self._durable[name] = content

    def _content(self, name: str) -> bytes | None:
        try:
            return self._inner.read(name, offset=0, length=self._inner.size(name))
        except ArtifactNotFoundError:
            return None


class _WatchedWriter:
    """Tells when its object was synced."""

    def __init__(self, writer: ArtifactWriter, synced: Callable[[], None]) -> None:
        self._writer = writer
        self._synced = synced

    def write(self, data: bytes, /) -> int:
        return self._writer.write(data)

    def sync(self) -> int:
        size_bytes = self._writer.sync()
        self._synced()
        return size_bytes
