"""Results: appended once, read by cursor."""

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select

from batchor_core.domain.results import FailureCount, ResultRow, StoredResult
from batchor_sql.schema import ITEM_ID, SEQUENCE, item, result, result_key
from batchor_sql.scope import Scope, in_slices


def _columns(names: Iterable[str]) -> list[ColumnElement[Any]]:
    return [SEQUENCE if name == "sequence" else result.c[name] for name in names]


_OF_ROW = _columns(ResultRow._fields)
_WITH_ITEM = result.join(item, (item.c.run_key == result.c.run_key) & (item.c.item_index == result.c.item_index))
_PAGE = (
    select(ITEM_ID, item.c.metadata, *_columns(StoredResult._fields[2:]))
    .select_from(_WITH_ITEM)
    .limit(bindparam("at_most"))
)
_BY_INDEX = _PAGE.where(result.c.run_key == bindparam("of_run"), result.c.item_index >= bindparam("first")).order_by(
    result.c.item_index
)
_BY_SEQUENCE = _PAGE.where(
    result.c.result_key > bindparam("after"), result.c.result_key < bindparam("next_run")
).order_by(result.c.result_key)
# As `_make`, without its check of the number of columns, for it is called for each row of every read.
_stored = partial(tuple.__new__, StoredResult)


class _Failure(msgspec.Struct):
    """The part of a failure's JSON that has a column of its own."""

    error_class: str


_NO_CLASS = (None,)
_failure = msgspec.json.Decoder(_Failure)


class SqlResultStore:
    """`ResultStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def append(self, run_id: str, results: Sequence[ResultRow]) -> int:
        if not results:
            return 0
        run_key = self._scope.run_key(run_id)
        before = result_key(run_key, 0)
        # Sums of tuples are made in half of the time of a display with a star.
        rows = (
            (before + row.sequence, run_key, row.item_index)
            + row[2:]
            + (_NO_CLASS if row.failure is None else (_error_class(row.failure),))
            for row in results
        )
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
        found = [ResultRow._make(row) for row in self._scope.rows(rows)]
        for indexes in in_slices([row.item_index for row in found]):
            gone = delete(result).where(result.c.run_key == key, result.c.item_index.in_(indexes))
            self._connection.execute(gone)
        return sorted(found)

    def get(self, run_id: str, indexes: Collection[int]) -> Sequence[ResultRow]:
        rows = select(*_OF_ROW).where(result.c.run_key == self._scope.run_key(run_id))
        return [
            ResultRow._make(row)
            for some in in_slices(list(indexes))
            for row in self._scope.rows(rows.where(result.c.item_index.in_(some)))
        ]

    def by_index(self, run_id: str, *, first: int, limit: int) -> Sequence[StoredResult]:
        return self._page(_BY_INDEX, {"of_run": self._scope.run_key(run_id), "first": first, "at_most": limit})

    def by_sequence(self, run_id: str, *, after: int, limit: int) -> Sequence[StoredResult]:
        run_key = self._scope.run_key(run_id)
        bounds = {"after": result_key(run_key, after), "next_run": result_key(run_key + 1, 0)}
        return self._page(_BY_SEQUENCE, {**bounds, "at_most": limit})

    def failures(self, run_id: str) -> Sequence[FailureCount]:
        rows = (
            select(result.c.error_class, func.count())
            .where(result.c.run_key == self._scope.run_key(run_id), result.c.error_class.is_not(None))
            .group_by(result.c.error_class)
        )
        counts = [FailureCount._make(row) for row in self._connection.execute(rows)]
        return sorted(counts, key=lambda count: (-count.items, count.error_class))

    def _page(self, page: Select[*tuple[Any, ...]], values: dict[str, int]) -> list[StoredResult]:
        return list(map(_stored, self._scope.rows(page, values)))


def _error_class(failure: str) -> str:
    return _failure.decode(failure).error_class
