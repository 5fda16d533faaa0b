"""Items: immutable once they are appended."""

from collections.abc import Sequence
from operator import lt
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Select, Table, cast, exists, func, select

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.chunking import Extent, RequestRef
from batchor_core.domain.item import ItemStatus, StatusCounts
from batchor_core.errors import DuplicateItemIdError, StorageError
from batchor_core.ports.state_records import Holding, ItemRow, Member, columns_of
from batchor_sql.id_key import id_columns, id_key
from batchor_sql.keys import number_of, run_of
from batchor_sql.schema import ITEM_ID, ITEM_INDEX, is_open, item, item_status, result, retry
from batchor_sql.schema import batch as batch_table
from batchor_sql.scope import Scope, in_slices

REQUEST_COLUMNS = (ITEM_INDEX, item.c.segment_id, item.c.request_offset, item.c.request_length, item.c.tokens)
"""The columns of a `RequestRef`, in its order."""

_ROW_COLUMNS = (ITEM_INDEX, ITEM_ID, item.c.metadata, *REQUEST_COLUMNS[1:])
"""The columns of an `ItemRow`, in its order."""

_RECOUNTED_AT_ONCE = 500_000
"""Items; so that no statement takes longer than a server may be silent."""


class SqlItemStore:
    """`ItemStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def append(self, run_id: str, items: Sequence[ItemRow]) -> int:
        if not items:
            return 0
        indexes, item_ids, *others = columns_of(items)
        self._require_ascending(run_id, items, indexes)
        ids = id_columns(item_ids)
        columns = [self._scope.keys(run_id, indexes), ids.keys, *others, ids.long_ids]
        stored = self._scope.bulk.add_items(self._connection, columns)
        if stored < len(items):
            # Only ids can clash here. Of *items*, the first with an id owns it, whether or not it was stored.
            owners = self._indexes_of(run_id, items)
            raise next(
                _duplicate(run_id, row)
                for row in items
                if owners.setdefault(id_key(row.item_id), row.item_index) != row.item_index
            )
        return stored

    def requests(self, run_id: str, *, first: int, limit: int) -> Sequence[RequestRef]:
        return [RequestRef._make(row) for row in self._connection.execute(self._requests(run_id, first, limit))]

    def extent(self, run_id: str, *, first: int, limit: int) -> Extent:
        taken = self._requests(run_id, first, limit).subquery("taken").c
        row = select(
            func.coalesce(func.max(taken.item_index) + 1, first),
            func.count(),
            _total(taken.request_length),
            _total(taken.tokens),
        )
        return Extent._make(self._connection.execute(row).one())

    def page(self, run_id: str, *, first: int, limit: int) -> Sequence[ItemRow]:
        rows = (
            select(*_ROW_COLUMNS)
            .where(self._scope.of_range(item.c.item_key, run_id, first=first))
            .order_by(item.c.item_key)
            .limit(limit)
        )
        return [ItemRow._make(row) for row in self._connection.execute(rows)]

    def holding(self, batch: BatchRecord) -> Holding:
        if not self._is_open(batch):
            return Holding()  # its successor, or nobody, holds the items now
        exceptions = self._exceptions(batch) if batch.first < batch.last else ()
        return Holding(batch.first, batch.last, exceptions, self._bound_members(batch))

    def statuses(self, run_id: str, *, first: int, limit: int) -> Sequence[tuple[int, ItemStatus]]:
        rows = (
            select(item_status.c.item_index, item_status.c.status)
            .where(self._scope.of_range(item_status.c.item_key, run_id, first=first))
            .order_by(item_status.c.item_key)
            .limit(limit)
        )
        return [(index, ItemStatus(status)) for index, status in self._connection.execute(rows)]

    def recount(self, run_id: str) -> StatusCounts:
        last = self._last_index(run_id)
        counts = StatusCounts()
        for first in range(0, -1 if last is None else last + 1, _RECOUNTED_AT_ONCE):
            for status, number in self._count(run_id, first, first + _RECOUNTED_AT_ONCE):
                counts = counts.accept(number, status=ItemStatus(status))
        return counts

    def _requests(self, run_id: str, first: int, limit: int) -> Select[*tuple[Any, ...]]:
        return (
            select(*REQUEST_COLUMNS)
            .where(self._scope.of_range(item.c.item_key, run_id, first=first), item.c.segment_id.is_not(None))
            .order_by(item.c.item_key)
            .limit(limit)
        )

    def _count(self, run_id: str, first: int, last: int) -> Sequence[Row[str, int]]:
        of_range = self._scope.of_range(item_status.c.item_key, run_id, first=first, last=last)
        rows = select(item_status.c.status, func.count()).where(of_range).group_by(item_status.c.status)
        return self._connection.execute(rows).all()

    def _is_open(self, batch: BatchRecord) -> bool:
        found = exists().where(batch_table.c.batch_id == batch.batch_id, is_open(batch_table.c.state))
        return bool(self._connection.execute(select(found)).scalar())

    def _exceptions(self, batch: BatchRecord) -> frozenset[int]:
        """What the batch does not hold of its range: as a rule nothing, and then no row is fetched."""
        in_range = [self._in_range(table, batch) for table in (result, retry)]
        gone_on = frozenset(index for statement in in_range for (index,) in self._scope.rows(statement))
        sendable = self._in_range(item, batch).where(item.c.segment_id.is_not(None))
        number = self._connection.execute(select(func.count()).select_from(sendable.subquery())).scalar_one()
        if number == batch.last - batch.first:
            return gone_on
        fresh = {index for (index,) in self._scope.rows(sendable)} - gone_on
        return frozenset(range(batch.first, batch.last)) - fresh

    def _in_range(self, table: Table, batch: BatchRecord) -> Select[int]:
        of_range = self._scope.of_range(table.c.item_key, batch.run_id, first=batch.first, last=batch.last)
        return select(number_of(table.c.item_key)).where(of_range)

    def _bound_members(self, batch: BatchRecord) -> list[Member]:
        ended = exists().where(result.c.item_key == retry.c.item_key)
        rows = (
            select(number_of(retry.c.item_key), retry.c.attempts_used, retry.c.deferrals)
            .where(retry.c.batch_id == batch.batch_id, ~ended)
            .order_by(retry.c.item_key)
        )
        return list(map(Member._make, self._scope.rows(rows)))

    def _require_ascending(self, run_id: str, items: Sequence[ItemRow], indexes: Sequence[int]) -> None:
        """Refuse items that are not behind each other and behind those that are stored; *indexes* are theirs."""
        last = self._last_index(run_id)
        before = (-1 if last is None else last, *indexes[:-1])
        if all(map(lt, before, indexes)):
            return
        taken = self._indexes_of(run_id, items)
        if repeated := next((row for row in items if id_key(row.item_id) in taken), None):
            raise _duplicate(run_id, repeated)
        behind, index = next(pair for pair in zip(before, indexes, strict=True) if pair[0] >= pair[1])
        raise StorageError(
            f"{self._scope.place}: item {index} of run {run_id!r} was to be stored behind item {behind}; "
            "nothing was written, please report this"
        )

    def _last_index(self, run_id: str) -> int | None:
        newest = func.max(item.c.item_key)
        last = select(number_of(newest)).where(self._scope.of_range(item.c.item_key, run_id))
        return self._connection.execute(last).scalar()

    def _indexes_of(self, run_id: str, items: Sequence[ItemRow]) -> dict[str, int]:
        """Where the ids of *items* are stored, as far as they are, by their keys."""
        of_run = run_of(item.c.item_key) == self._scope.run_key(run_id)
        found: dict[str, int] = {}
        for rows in in_slices(items):
            keys = [id_key(row.item_id) for row in rows]
            stored = select(item.c.id_key, ITEM_INDEX).where(of_run, item.c.id_key.in_(keys))
            found.update((stored_key, index) for stored_key, index in self._connection.execute(stored))
        return found


def _total(column: ColumnElement[int]) -> ColumnElement[int]:
    # PostgreSQL adds up integers to a decimal.
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _duplicate(run_id: str, row: ItemRow) -> DuplicateItemIdError:
    return DuplicateItemIdError(run_id, row.item_id, index=row.item_index)
