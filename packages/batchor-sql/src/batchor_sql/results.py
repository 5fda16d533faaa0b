"""Results: appended once, read by cursor."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select

from batchor_core.domain.results import FailureCount, ResultRow, StoredFields, StoredResult
from batchor_core.ports.state_records import columns_of
from batchor_sql.keys import NUMBERS, number_of, run_of
from batchor_sql.schema import ITEM_ID, SEQUENCE, item, result
from batchor_sql.scope import Scope, in_slices

_IN_KEYS = {"sequence": SEQUENCE, "item_index": number_of(result.c.item_key)}


def _columns(names: Iterable[str]) -> list[ColumnElement[Any]]:
    return [_IN_KEYS[name] if name in _IN_KEYS else result.c[name] for name in names]


_OF_ROW = _columns(ResultRow._fields)
_WITH_ITEM = result.join(item, item.c.item_key == result.c.item_key)
_PAGE = (
    select(ITEM_ID, item.c.metadata, *_columns(StoredResult._fields[2:]))
    .select_from(_WITH_ITEM)
    .limit(bindparam("at_most"))
)
_BY_INDEX = _PAGE.where(result.c.item_key >= bindparam("first"), result.c.item_key < bindparam("next_run")).order_by(
    result.c.item_key
)
_BY_SEQUENCE = _PAGE.where(
    result.c.result_key > bindparam("after"), result.c.result_key < bindparam("next_run")
).order_by(result.c.result_key)


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
        indexes, sequences, *others, failures = columns_of(results)
        error_classes = [None if failure is None else _error_class(failure) for failure in failures]
        result_keys, item_keys = (self._scope.keys(run_id, numbers) for numbers in (sequences, indexes))
        columns = [result_keys, item_keys, *others, failures, error_classes]
        return self._scope.bulk.add_results(self._connection, columns)

    def withdraw(self, run_id: str, *, error_class: str | None, limit: int) -> Sequence[ResultRow]:
        failed = result.c.error_class.is_not(None) if error_class is None else result.c.error_class == error_class
        rows = (
            select(*_OF_ROW)
            .select_from(_WITH_ITEM)
            .where(self._of_run(run_id), failed, item.c.segment_id.is_not(None))
            .limit(limit)
        )
        found = [ResultRow._make(row) for row in self._scope.rows(rows)]
        for keys in in_slices(self._scope.keys(run_id, [row.sequence for row in found])):
            self._connection.execute(delete(result).where(result.c.result_key.in_(keys)))
        return sorted(found)

    def get(self, run_id: str, indexes: Collection[int]) -> Sequence[ResultRow]:
        stored = [index for index in indexes if 0 <= index < NUMBERS]
        return [
            ResultRow._make(row)
            for keys in in_slices(self._scope.keys(run_id, stored))
            for row in self._scope.rows(select(*_OF_ROW).where(result.c.item_key.in_(keys)))
        ]

    def by_index(self, run_id: str, *, first: int, limit: int) -> Sequence[StoredFields]:
        bounds = {"first": self._scope.bound(run_id, first), "next_run": self._scope.bound(run_id, NUMBERS)}
        return self._page(_BY_INDEX, {**bounds, "at_most": limit})

    def by_sequence(self, run_id: str, *, after: int, limit: int) -> Sequence[StoredFields]:
        bounds = {"after": self._scope.bound(run_id, after), "next_run": self._scope.bound(run_id, NUMBERS)}
        return self._page(_BY_SEQUENCE, {**bounds, "at_most": limit})

    def failures(self, run_id: str) -> Sequence[FailureCount]:
        rows = (
            select(result.c.error_class, func.count())
            .where(self._of_run(run_id), result.c.error_class.is_not(None))
            .group_by(result.c.error_class)
        )
        counts = [FailureCount._make(row) for row in self._connection.execute(rows)]
        return sorted(counts, key=lambda count: (-count.items, count.error_class))

    def _of_run(self, run_id: str) -> ColumnElement[bool]:
        """As the index of failed results has it; elsewhere a range of keys is what can be searched."""
        return run_of(result.c.result_key) == self._scope.run_key(run_id)

    def _page(self, page: Select[*tuple[Any, ...]], values: dict[str, int]) -> Sequence[StoredFields]:
        return self._scope.rows(page, values)


def _error_class(failure: str) -> str:
    return _failure.decode(failure).error_class
