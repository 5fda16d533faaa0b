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


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """The bounds of one batch; `max_tokens` None: unbounded."""

    max_requests: int
    max_bytes: int
    max_tokens: int | None = None


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
