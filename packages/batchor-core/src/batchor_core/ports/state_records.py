"""What the stores of the state hand over and keep, beside the values of the domain."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class ItemRow(NamedTuple):
    """An item as it is appended, and then never changed. A tuple, for it is written by the million."""

    item_index: int
    item_id: str
    metadata: str | None
    """JSON text; None where the item has none."""
    segment_id: int | None
    """The artifact that holds its request; None for an item that can't be sent."""
    offset: int
    length: int
    """The byte range of its request line; 0 for an item that can't be sent."""
    tokens: int


class Member(NamedTuple):
    """An item that a batch holds and that has no result yet, with what was spent on it before."""

    item_index: int
    attempts_used: int
    deferrals: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What a batch holds and what has no result yet: a range and the exceptions from it, which cost nothing a row."""

    first: int = 0
    last: int = 0
    exceptions: Collection[int] = ()
    """Distinct indexes in `[first, last)` that the batch does not hold by its range.

    Those are items that have a result, a retry row or no request, and indexes without an item.
    """
    retries: Sequence[Member] = ()
    """The items that it holds because their retry row names it, ascending; they may lie in the range too."""

    def __len__(self) -> int:
        return self.last - self.first - len(self.exceptions) + len(self.retries)

    def members(self) -> list[Member]:
        """All that it holds, ascending."""
        exceptions = frozenset(self.exceptions)
        by_range = (Member(index, 0, 0) for index in range(self.first, self.last) if index not in exceptions)
        return sorted([*by_range, *self.retries])


class ArtifactKind(StrEnum):
    """Kinds of artifacts."""

    REQUEST = "request"
    OUTPUT = "output"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """An object of the artifact store that the state names."""

    artifact_id: int
    """Given by the store; 0 before it is stored."""
    run_id: str
    kind: ArtifactKind
    name: str
    size_bytes: int = 0
    lines: int = 0
    """Requests of a segment; lines of raw files are not counted."""
    sha256: str | None = None
    """Hex, over `size_bytes`; None while it is open, and for a segment whose worker died."""
    state: str = "open"
    """`open` (still written), `complete` or `pruned`."""
