"""What `MemoryStateStore` keeps, how it is found again, and how a write is taken back."""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from batchor_core.domain.batch import TERMINAL, BatchRecord, BatchState
from batchor_core.domain.capacity import CapacityRecord
from batchor_core.domain.chunking import RequestRef
from batchor_core.domain.events import RunEvent
from batchor_core.domain.item import ItemFacts, ItemStatus, derive_status
from batchor_core.domain.lineage import LineageSpan
from batchor_core.domain.results import ResultRow, StoredResult
from batchor_core.domain.retry import RetryRow
from batchor_core.domain.run import RunRecord
from batchor_core.errors import StorageError
from batchor_core.ports.state_records import ArtifactRecord, Holding, ItemRow, Member

_INDEX = attrgetter("item_index")
_NOTHING: frozenset[int] = frozenset()


class UndoJournal:
    """How to take back what one transaction has written so far.

    Each undo is noted *before* its write, and does no harm when the write did not happen: an
    interrupt may come between the two.
    """

    def __init__(self, *, writable: bool) -> None:
        self._writable = writable
        self._undos: list[Callable[[], object]] = []

    def note(self, undo: Callable[[], object]) -> None:
        if not self._writable:
            raise StorageError("writes need an open transaction(); this block only reads, or has ended")
        self._undos.append(undo)

    def update[KeyT, ValueT](self, table: dict[KeyT, ValueT], rows: Mapping[KeyT, ValueT]) -> None:
        replaced = {key: table[key] for key in rows if key in table}
        self.note(partial(_restore, table, tuple(rows), replaced))
        table.update(rows)

    def remove[KeyT, ValueT](self, table: dict[KeyT, ValueT], keys: Iterable[KeyT]) -> None:
        removed = {key: table[key] for key in keys if key in table}
        self.note(partial(table.update, removed))
        for key in removed:
            del table[key]

    def extend[RowT](self, rows: list[RowT], new: Iterable[RowT]) -> None:
        self.note(partial(rows.__delitem__, slice(len(rows), None)))
        rows.extend(new)

    def add_to[MemberT](self, members: set[MemberT], new: Collection[MemberT]) -> None:
        """*new* must hold no member yet."""
        self.note(partial(members.difference_update, new))
        members.update(new)

    def undo(self) -> None:
        while self._undos:
            self._undos.pop()()

    def close(self) -> None:
        self._writable = False


def _restore[KeyT, ValueT](
    table: dict[KeyT, ValueT], written: Collection[KeyT], replaced: Mapping[KeyT, ValueT]
) -> None:
    for key in written:
        table.pop(key, None)
    table.update(replaced)


class SortedKeys[KeyT: tuple[Any, ...]]:
    """Distinct keys, ascending; reading costs a bisection and what is returned."""

    def __init__(self) -> None:
        self._keys: list[KeyT] = []

    def __iter__(self) -> Iterator[KeyT]:
        return iter(self._keys)

    def behind(self, bound: tuple[Any, ...], *, limit: int) -> list[KeyT]:
        start = bisect_right(self._keys, bound)
        return self._keys[start : start + limit]

    def before(self, bound: tuple[Any, ...] | None, *, limit: int) -> list[KeyT]:
        """Descending; None: from the greatest."""
        end = len(self._keys) if bound is None else bisect_left(self._keys, bound)
        return self._keys[max(end - limit, 0) : end][::-1]

    def add(self, keys: Iterable[KeyT], journal: UndoJournal) -> None:
        new = sorted(keys)
        if not new or not self._keys or self._keys[-1] < new[0]:
            journal.extend(self._keys, new)
        else:
            self._replace(sorted(self._keys + new), journal)

    def discard(self, keys: Collection[KeyT], journal: UndoJournal) -> None:
        if keys:
            gone = frozenset(keys)
            self._replace([key for key in self._keys if key not in gone], journal)

    def _replace(self, keys: list[KeyT], journal: UndoJournal) -> None:
        journal.note(partial(setattr, self, "_keys", self._keys))
        self._keys = keys


@dataclass(slots=True)
class RetryFacts:
    """The retries of one run: by item, by time while they wait, by batch while they are bound."""

    rows: dict[int, RetryRow] = field(default_factory=dict)
    waiting: SortedKeys[tuple[datetime, int]] = field(default_factory=SortedKeys)
    bound: dict[int, frozenset[int]] = field(default_factory=dict)

    def put(self, rows: Sequence[RetryRow], journal: UndoJournal) -> None:
        new = {row.item_index: row for row in rows}
        self.drop(new, journal)
        journal.update(self.rows, new)
        self.waiting.add([(row.not_before, row.item_index) for row in new.values() if row.batch_id is None], journal)
        bound = {batch: self.of_batch(batch) | indexes for batch, indexes in _by_batch(new.values()).items()}
        journal.update(self.bound, bound)

    def drop(self, indexes: Iterable[int], journal: UndoJournal) -> None:
        gone = [self.rows[index] for index in indexes if index in self.rows]
        self.waiting.discard([(row.not_before, row.item_index) for row in gone if row.batch_id is None], journal)
        bound = {batch: self.of_batch(batch) - indexes for batch, indexes in _by_batch(gone).items()}
        journal.update(self.bound, bound)
        journal.remove(self.rows, [row.item_index for row in gone])

    def of_batch(self, batch_id: int) -> frozenset[int]:
        return self.bound.get(batch_id, _NOTHING)


def _by_batch(rows: Iterable[RetryRow]) -> dict[int, set[int]]:
    groups: dict[int, set[int]] = {}
    for row in rows:
        if row.batch_id is not None:
            groups.setdefault(row.batch_id, set()).add(row.item_index)
    return groups


@dataclass(slots=True)
class RunFacts:
    """Everything that is stored of one run."""

    run: RunRecord
    items: list[ItemRow] = field(default_factory=list)
    item_ids: set[str] = field(default_factory=set)
    lineage: list[LineageSpan] = field(default_factory=list)
    open_batches: dict[int, BatchRecord] = field(default_factory=dict)
    retries: RetryFacts = field(default_factory=RetryFacts)
    results: dict[int, ResultRow] = field(default_factory=dict)
    result_order: SortedKeys[tuple[int, int]] = field(default_factory=SortedKeys)
    failures: dict[str, int] = field(default_factory=dict)
    artifact_ids: list[int] = field(default_factory=list)
    events: list[tuple[int, RunEvent]] = field(default_factory=list)

    def position(self, index: int) -> int:
        """Where the first item with an index >= *index* stands."""
        if not self.items:
            return 0
        # Indexes have no gaps as a rule; where they have, the guess misses and a search finds the place.
        guess = index - self.items[0].item_index
        if 0 <= guess < len(self.items) and self.items[guess].item_index == index:
            return guess
        return bisect_left(self.items, index, key=_INDEX)

    def item(self, index: int) -> ItemRow | None:
        at = self.position(index)
        found = self.items[at] if at < len(self.items) else None
        return found if found is not None and found.item_index == index else None

    def items_from(self, first: int) -> Iterator[ItemRow]:
        return (self.items[at] for at in range(self.position(first), len(self.items)))

    def requests_of(self, indexes: Iterable[int]) -> list[RequestRef]:
        """The requests of these items, in that order; items without one are left out."""
        rows = (self.item(index) for index in indexes)
        refs = (as_request(row) for row in rows if row is not None)
        return [ref for ref in refs if ref is not None]

    def stored_result(self, index: int) -> StoredResult:
        item = self.items[self.position(index)]
        return StoredResult.of(item.item_id, item.metadata, self.results[index])

    def holding(self, batch: BatchRecord) -> Holding:
        if batch.batch_id not in self.open_batches:
            return Holding()
        held = frozenset(row.item_index for row in self._range_of(batch) if self._is_fresh(row))
        exceptions = [index for index in range(batch.first, batch.last) if index not in held]
        bound = sorted(self.retries.of_batch(batch.batch_id) - self.results.keys())
        return Holding(batch.first, batch.last, exceptions, [self._retried(index) for index in bound])

    def _range_of(self, batch: BatchRecord) -> list[ItemRow]:
        return self.items[self.position(batch.first) : self.position(batch.last)]

    def _is_fresh(self, row: ItemRow) -> bool:
        index = row.item_index
        return row.segment_id is not None and index not in self.retries.rows and index not in self.results

    def _retried(self, index: int) -> Member:
        retry = self.retries.rows[index]
        return Member(index, retry.attempts_used, retry.deferrals)

    def statuses(self, rows: Iterable[ItemRow], batches: Mapping[int, BatchRecord]) -> Iterator[tuple[int, ItemStatus]]:
        ranges = OpenRanges(self.open_batches.values())
        for row in rows:
            index = row.item_index
            result, retry = self.results.get(index), self.retries.rows.get(index)
            if retry is not None:
                state = None if retry.batch_id is None else batches[retry.batch_id].state
            else:
                state = None if row.segment_id is None else ranges.state_at(index)
            facts = ItemFacts(
                result=None if result is None else result.status,
                awaits_retry=retry is not None and retry.batch_id is None,
                batch_state=state,
            )
            yield index, derive_status(facts)


class OpenRanges:
    """Which open batch claims an index by its range; the ranges of open batches never overlap."""

    def __init__(self, batches: Iterable[BatchRecord]) -> None:
        self._batches = sorted((batch for batch in batches if batch.first < batch.last), key=attrgetter("first"))
        self._firsts = [batch.first for batch in self._batches]

    def state_at(self, index: int) -> BatchState | None:
        at = bisect_right(self._firsts, index) - 1
        return self._batches[at].state if at >= 0 and index < self._batches[at].last else None


@dataclass(slots=True)
class StateFacts:
    """All runs, and what is found by an id of its own."""

    runs: dict[str, RunFacts] = field(default_factory=dict)
    run_order: SortedKeys[tuple[datetime, str]] = field(default_factory=SortedKeys)
    batches: dict[int, BatchRecord] = field(default_factory=dict)
    artifacts: dict[int, ArtifactRecord] = field(default_factory=dict)
    capacity: dict[str, CapacityRecord] = field(default_factory=dict)
    batch_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    artifact_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    event_sequences: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def store_batch(self, batch: BatchRecord, journal: UndoJournal) -> None:
        open_batches = self.runs[batch.run_id].open_batches
        journal.update(self.batches, {batch.batch_id: batch})
        if batch.state in TERMINAL:
            journal.remove(open_batches, [batch.batch_id])
        else:
            journal.update(open_batches, {batch.batch_id: batch})


def as_request(row: ItemRow) -> RequestRef | None:
    """Where the item's request lies; None for an item that can't be sent."""
    if row.segment_id is None:
        return None
    return RequestRef(row.item_index, row.segment_id, row.offset, row.length, row.tokens)
