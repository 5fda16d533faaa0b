"""What the stores of the state hand over and keep, beside the values of the domain."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, overload


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


class RowColumns[RowT: NamedTuple](Sequence[RowT]):
    """Rows that are kept by columns: what is written by the million costs more to make a tuple of than to insert.

    A sequence of rows like any other, and for who writes by columns `columns_of` gives these as they are.
    """

    def __init__(self, kind: type[RowT], rows: Iterable[RowT] = ()) -> None:
        self._kind = kind
        self.columns: list[list[Any]] = [[] for _ in kind._fields]
        for row in rows:
            self.append(row)

    def column(self, name: str) -> list[Any]:
        """The values of one field."""
        return self.columns[self._kind._fields.index(name)]

    def append(self, row: RowT) -> None:
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)

    def extend(self, *columns: Iterable[Any]) -> None:
        """Add rows by columns of one length."""
        for column, more in zip(self.columns, columns, strict=True):
            column.extend(more)

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[RowT]:
        return map(self._kind._make, zip(*self.columns, strict=True))

    @overload
    def __getitem__(self, place: int) -> RowT: ...

    @overload
    def __getitem__(self, place: slice) -> list[RowT]: ...

    def __getitem__(self, place: int | slice) -> RowT | list[RowT]:
        if isinstance(place, slice):
            return list(map(self._kind._make, zip(*(column[place] for column in self.columns), strict=True)))
        return self._kind._make(column[place] for column in self.columns)


def columns_of(rows: Sequence[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
    """The fields of *rows* as columns, in their order; of no rows there are none."""
    return rows.columns if isinstance(rows, RowColumns) and rows else list(zip(*rows, strict=True))


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


class BatchOutlook(NamedTuple):
    """What the open batches of a run need next."""

    due_at: datetime | None
    """When the first of them can be taken (`BatchRecord.free_at`); None when none is open."""
    waiting_to_be_sent: int
    """The number of those for which `BatchRecord.waits_to_be_sent`."""


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
