"""Files of a run: request segments, raw outputs, raw errors."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class ArtifactWriter(Protocol):
    """An object being written."""

    def write(self, data: bytes, /) -> int: ...

    def sync(self) -> int:
        """Make all that was written durable; the number of bytes that the object now has."""
        ...


class ArtifactStore(Protocol):
    """Named objects, each a sequence of bytes.

    A name is one or more parts of `[a-z0-9][a-z0-9._-]*` joined by `/`, without `..`; any other raises `ArtifactError`.
    What a writer has synced survives a power loss. Errors of the medium are `ArtifactError`s that
    say which object and what to do; a missing object is `ArtifactNotFoundError`.
    """

    def append(self, name: str, *, at: int) -> AbstractContextManager[ArtifactWriter]:
        """Write on from byte *at*, cutting off what follows; `at=0` begins the object.

        `ArtifactError` when the object has fewer than *at* bytes: something that was durable is lost.
        A crash leaves at least what was synced, and possibly more.
        """
        ...

    def create(self, name: str) -> AbstractContextManager[ArtifactWriter]:
        """Write an object that appears whole or not at all: durable and visible when the block ends well.

        Replaces an object of that name. A block that raises, or a crash, leaves the name as it was.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """The object for reading from its beginning, seekable."""
        ...

    def size(self, name: str) -> int: ...

    def read(self, name: str, *, offset: int, length: int) -> bytes:
        """Exactly that byte range; `ArtifactError` when the object is shorter."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """All objects whose name begins with *prefix*, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Remove the object; nothing happens when there is none."""
        ...
