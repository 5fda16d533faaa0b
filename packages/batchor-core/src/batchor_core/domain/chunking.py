"""Which requests go into the next batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class RequestRef(NamedTuple):
    """Where one encoded request lies: a byte range of a request segment, its newline included."""

    item_index: int
    segment_id: int
    offset: int
    length: int
    tokens: int
    """Counted prompt tokens; 0 where nothing needs them."""


class ByteRange(NamedTuple):
    """Bytes of one request segment."""

    segment_id: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


class Extent(NamedTuple):
    """Requests of items that follow each other, taken together; `requests` is 0 where there are none."""

    end_index: int
    """Right behind the last of them."""
    requests: int
    request_bytes: int
    tokens: int


def extent_of(requests: Sequence[RequestRef], *, first: int) -> Extent:
    """*requests* taken together; *first* is where they may begin."""
    return Extent(
        end_index=requests[-1].item_index + 1 if requests else first,
        requests=len(requests),
        request_bytes=sum(request.length for request in requests),
        tokens=sum(request.tokens for request in requests),
    )


def byte_ranges(requests: Iterable[RequestRef]) -> list[ByteRange]:
    """Where *requests* lie, in their order; ranges that lie side by side are joined."""
    ranges: list[ByteRange] = []
    for _, segment_id, offset, length, _ in requests:
        before = ranges[-1] if ranges else None
        if before is not None and before.segment_id == segment_id and before.end == offset:
            ranges[-1] = ByteRange(segment_id, before.offset, before.length + length)
        else:
            ranges.append(ByteRange(segment_id, offset, length))
    return ranges


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """The bounds of one batch; `max_tokens` None: unbounded."""

    max_requests: int
    max_bytes: int
    max_tokens: int | None = None

    def hold(self, extent: Extent) -> bool:
        """Whether all of *extent* fits into one batch, so that `plan_chunk` would take all of it."""
        return (
            extent.requests <= self.max_requests
            and extent.request_bytes <= self.max_bytes
            and (self.max_tokens is None or extent.tokens <= self.max_tokens)
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """The requests of one batch."""

    requests: Sequence[RequestRef]
    request_bytes: int
    tokens: int


def plan_chunk(requests: Iterable[RequestRef], limits: ChunkLimits) -> Chunk:
    """The longest prefix of *requests* within *limits*; never empty when there are requests.

    One request alone may be over the token limit: it could otherwise never be sent, and the
    provider is the one to refuse it.
    """
    taken: list[RequestRef] = []
    size = tokens = 0
    for request in requests:
        fits = (
            len(taken) < limits.max_requests
            and size + request.length <= limits.max_bytes
            and (limits.max_tokens is None or tokens + request.tokens <= limits.max_tokens)
        )
        if taken and not fits:
            break
        taken.append(request)
        size += request.length
        tokens += request.tokens
    return Chunk(taken, size, tokens)
