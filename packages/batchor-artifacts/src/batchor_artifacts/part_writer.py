"""Writing an object as parts: buffered, and durable when it is synced."""

from collections.abc import Callable

from batchor_artifacts.bucket import Bucket
from batchor_artifacts.parts import Layout, part_key, size_of
from batchor_core.errors import ArtifactError, LeaseLostError
from batchor_core.failpoints import around


class PartWriter:
    """Writes the parts of one writer from byte *at* on: one as often as *part_bytes* are together, one a sync."""

    def __init__(self, bucket: Bucket, name: str, *, writer: str, at: int, part_bytes: int) -> None:
        self._bucket = bucket
        self._name = name
        self._writer = writer
        self._part_bytes = part_bytes
        self._buffer = bytearray()
        self._stored_bytes = at
        self._fault: ArtifactError | None = None

    def write(self, data: bytes, /) -> int:
        view = memoryview(data)
        while view:
            piece = view[: self._part_bytes - len(self._buffer)]
            self._buffer += piece
            view = view[len(piece) :]
            if len(self._buffer) >= self._part_bytes:
                self.flush()
        return len(data)

    def flush(self) -> None:
        """Store what is in the buffer, as one part."""
        if self._fault is not None:
            raise self._fault
        if not self._buffer:
            return
        key = part_key(self._name, writer=self._writer, offset=self._stored_bytes)
        data, self._buffer = self._buffer, bytearray()
        try:
            with around("artifact.part.put"):
                self._bucket.put(key, data)
        except ArtifactError as error:
            # A request that got no answer may still arrive, at any time: this offset must never be written with other
            # bytes, so nothing can be written behind it either.
            self._fault = error
            raise
        self._stored_bytes += len(data)

    def sync(self) -> int:
        self.flush()
        return self._stored_bytes

    def check_is_whole(self, layout: Layout) -> None:
        """`LeaseLostError` unless all parts are there: somebody may have deleted the object, or swept this writer."""
        if size_of(layout.written_by(self._writer)) != self._stored_bytes:
            raise LeaseLostError(f"artifact {self._name!r}")


class AppendingWriter(PartWriter):
    """A writer whose parts are the object's as they come, as long as no other writer has taken the object over."""

    def __init__(
        self, bucket: Bucket, name: str, *, writer: str, at: int, part_bytes: int, look: Callable[[], Layout]
    ) -> None:
        super().__init__(bucket, name, writer=writer, at=at, part_bytes=part_bytes)
        self._look = look

    def sync(self) -> int:
        stored_bytes = super().sync()
        layout = self._look()
        if layout.current is None or layout.current.writer != self._writer:
            # The bytes are safe in parts that nobody reads any more: nothing may be told to be stored.
            raise LeaseLostError(f"artifact {self._name!r}")
        self.check_is_whole(layout)
        return stored_bytes
