"""Reading an object from its parts: only the bytes that are asked for travel."""

import io
from bisect import bisect_right
from collections.abc import Buffer, Iterator, Sequence

from batchor_artifacts.bucket import Bucket
from batchor_artifacts.parts import Part, size_of


def pieces(bucket: Bucket, parts: Sequence[Part], *, start: int, end: int) -> Iterator[memoryview]:
    """The bytes from *start* to *end*, one request a part."""
    first = max(0, bisect_right(parts, start, key=lambda part: part.offset) - 1)
    for part in parts[first:]:
        if part.offset >= end:
            return
        skipped = max(0, start - part.offset)
        length = min(end, part.end) - part.offset - skipped
        if length > 0:
            yield bucket.get(part.key, offset=skipped, length=length)


class PartReader(io.RawIOBase):
    """The object as its parts were when it was opened."""

    def __init__(self, bucket: Bucket, parts: Sequence[Part]) -> None:
        super().__init__()
        self._bucket = bucket
        self._parts = parts
        self._size_bytes = size_of(parts)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        piece = next(self._pieces(self._position + len(view)), memoryview(b""))
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        data = b"".join(self._pieces(self._size_bytes))
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to {start + offset}, before the beginning")
        self._position = start + offset
        return self._position

    def _pieces(self, end: int) -> Iterator[memoryview]:
        return pieces(self._bucket, self._parts, start=self._position, end=min(end, self._size_bytes))
