"""Results: appended once, read by cursor."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, select

from batchor_core.domain.item import ItemStatus
from batchor_core.domain.results import FailureCount, ResultRow, StoredResult
from batchor_sql.schema import item, result
from batchor_sql.scope import Scope

_OF_ROW = [column for column in result.c if column.name not in {"run_key", "error_class"}]
_STORED = select(item.c.item_id, item.c.metadata, *_OF_ROW).select_from(
    result.join(item, (item.c.run_key == result.c.run_key) & (item.c.item_index == result.c.item_index))
)
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
        return self._connection.exec_driver_sql(self._scope.statements.add_results, rows).rowcount

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
    item_id, metadata, index, sequence, status, *rest = row
    return StoredResult(item_id, metadata, ResultRow(index, sequence, _STATUS[status], *rest))
