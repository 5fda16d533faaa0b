"""Results: appended once, read by cursor."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, delete, func, select

from batchor_core.domain.item import ItemStatus
from batchor_core.domain.results import FailureCount, ResultRow, StoredResult
from batchor_sql.schema import ITEM_ID, item, result
from batchor_sql.scope import Scope, in_slices

_OF_ROW = [column for column in result.c if column.name not in {"run_key", "error_class"}]
_WITH_ITEM = result.join(item, (item.c.run_key == result.c.run_key) & (item.c.item_index == result.c.item_index))
_STORED = select(ITEM_ID, item.c.metadata, *_OF_ROW).select_from(_WITH_ITEM)
_STATUS = {status.value: status for status in ItemStatus}


class _Failure(msgspec.Struct):
    """The part of a failure's JSON that has a column of its own."""

    error_class: str


_failure = msgspec.json.Decoder(_Failure)


class SqlResultStore:
    """`ResultStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def append(self, run_id: str, results: Sequence[ResultRow]) -> int:
        if not results:
            return 0
        key = self._scope.run_key(run_id)
        rows = [(key, *row[:2], row.status.value, *row[3:], _error_class(row.failure)) for row in results]
        return self._scope.bulk.add_results(self._connection, rows)

    def withdraw(self, run_id: str, *, error_class: str | None, limit: int) -> Sequence[ResultRow]:
        key = self._scope.run_key(run_id)
        failed = result.c.error_class.is_not(None) if error_class is None else result.c.error_class == error_class
        rows = (
            select(*_OF_ROW)
            .select_from(_WITH_ITEM)
            .where(result.c.run_key == key, failed, item.c.segment_id.is_not(None))
            .limit(limit)
        )
        found = [_row(row) for row in self._connection.execute(rows)]
        for indexes in in_slices([row.item_index for row in found]):
            gone = delete(result).where(result.c.run_key == key, result.c.item_index.in_(indexes))
            self._connection.execute(gone)
        return sorted(found)

    def by_index(self, run_id: str, *, first: int, limit: int) -> Sequence[StoredResult]:
        of_run = _STORED.where(result.c.run_key == self._scope.run_key(run_id))
        return self._page(of_run.where(result.c.item_index >= first), by=result.c.item_index, limit=limit)

    def by_sequence(self, run_id: str, *, after: int, limit: int) -> Sequence[StoredResult]:
        of_run = _STORED.where(result.c.run_key == self._scope.run_key(run_id))
        return self._page(of_run.where(result.c.sequence > after), by=result.c.sequence, limit=limit)

    def failures(self, run_id: str) -> Sequence[FailureCount]:
        rows = (
            select(result.c.error_class, func.count())
            .where(result.c.run_key == self._scope.run_key(run_id), result.c.error_class.is_not(None))
            .group_by(result.c.error_class)
        )
        counts = [FailureCount._make(row) for row in self._connection.execute(rows)]
        return sorted(counts, key=lambda count: (-count.items, count.error_class))

    def _page(self, rows: Select[*tuple[Any, ...]], *, by: ColumnElement[int], limit: int) -> list[StoredResult]:
        return [_stored(row) for row in self._connection.execute(rows.order_by(by).limit(limit))]


def _error_class(failure: str | None) -> str | None:
    return None if failure is None else _failure.decode(failure).error_class


def _stored(row: Sequence[Any]) -> StoredResult:
    item_id, metadata, *of_row = row
    return StoredResult(item_id, metadata, _row(of_row))


def _row(of_row: Sequence[Any]) -> ResultRow:
    index, sequence, status, *rest = of_row
    return ResultRow(index, sequence, _STATUS[status], *rest)
