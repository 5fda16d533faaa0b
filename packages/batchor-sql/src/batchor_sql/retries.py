"""Items that are to be sent again."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.chunking import RequestRef
from batchor_core.domain.retry import RetryRow
from batchor_core.errors import StorageError
from batchor_sql.column_types import to_micros
from batchor_sql.items import REQUEST_COLUMNS
from batchor_sql.keys import run_of
from batchor_sql.schema import item, retry
from batchor_sql.scope import Scope

_REQUESTS = select(*REQUEST_COLUMNS).select_from(retry.join(item, item.c.item_key == retry.c.item_key))


class SqlRetryStore:
    """`RetryStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def put(self, run_id: str, retries: Sequence[RetryRow]) -> None:
        if not retries:
            return
        keys = self._scope.keys(run_id, [row.item_index for row in retries])
        rows = [
            (key, row.attempts_used, row.deferrals, to_micros(row.not_before), row.reason, row.batch_id)
            for key, row in zip(keys, retries, strict=True)
        ]
        self._scope.bulk.put_retries(self._connection, rows)

    def due(self, run_id: str, *, now: datetime, limit: int) -> Sequence[RequestRef]:
        return self._requests(
            _REQUESTS.where(*self._waiting(run_id), retry.c.not_before <= now)
            .order_by(retry.c.not_before, retry.c.item_key)
            .limit(limit)
        )

    def bind(self, run_id: str, indexes: Sequence[int], *, batch_id: int) -> None:
        if not indexes:
            return
        keys = self._scope.keys(run_id, indexes)
        bound = self._scope.bulk.bind_retries(self._connection, keys, batch_id=batch_id)
        if bound != len(indexes):
            # One that another batch holds would be sent twice, and bought twice.
            raise StorageError(
                f"{self._scope.place}: {len(indexes) - bound} of the items for batch {batch_id} of run {run_id!r} "
                "await no retry; nothing was written, please report this"
            )

    def bound(self, batch: BatchRecord) -> Sequence[RequestRef]:
        return self._requests(_REQUESTS.where(retry.c.batch_id == batch.batch_id).order_by(retry.c.item_key))

    def rebind(self, *, from_batch: BatchRecord, to_batch: BatchRecord) -> None:
        moved = update(retry).where(retry.c.batch_id == from_batch.batch_id).values(batch_id=to_batch.batch_id)
        self._connection.execute(moved)

    def drop(self, run_id: str, indexes: Collection[int]) -> None:
        if indexes:
            self._scope.bulk.drop_retries(self._connection, self._scope.keys(run_id, sorted(indexes)))

    def next_due(self, run_id: str) -> datetime | None:
        waiting = select(func.min(retry.c.not_before)).where(*self._waiting(run_id))
        return self._connection.execute(waiting).scalar()

    def _waiting(self, run_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return run_of(retry.c.item_key) == self._scope.run_key(run_id), retry.c.batch_id.is_(None)

    def _requests(self, rows: Select[*tuple[Any, ...]]) -> list[RequestRef]:
        return [RequestRef._make(row) for row in self._connection.execute(rows)]
