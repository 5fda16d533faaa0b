"""Items that are to be sent again."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.chunking import RequestRef
from batchor_core.domain.retry import RetryRow
from batchor_core.errors import StorageError
from batchor_sql.column_types import to_micros
from batchor_sql.items import REQUEST_COLUMNS
from batchor_sql.schema import item, retry
from batchor_sql.scope import Scope

_REQUESTS = select(*REQUEST_COLUMNS).select_from(
    retry.join(item, (item.c.run_key == retry.c.run_key) & (item.c.item_index == retry.c.item_index))
)


class SqlRetryStore:
    """`RetryStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def put(self, run_id: str, retries: Sequence[RetryRow]) -> None:
        key = self._scope.run_key(run_id)
        rows = [(key, *row[:3], to_micros(row.not_before), row.reason, row.batch_id) for row in retries]
        if rows:
            self._scope.bulk.put_retries(self._connection, rows)

    def due(self, run_id: str, *, now: datetime, limit: int) -> Sequence[RequestRef]:
        return self._requests(
            _REQUESTS.where(
                retry.c.run_key == self._scope.run_key(run_id), retry.c.batch_id.is_(None), retry.c.not_before <= now
            )
            .order_by(retry.c.not_before, retry.c.item_index)
            .limit(limit)
        )

    def bind(self, run_id: str, indexes: Sequence[int], *, batch_id: int) -> None:
        key = self._scope.run_key(run_id)
        if not indexes:
            return
        bound = self._scope.bulk.bind_retries(self._connection, key, indexes, batch_id=batch_id)
        if bound != len(indexes):
            # One that another batch holds would be sent twice, and bought twice.
            raise StorageError(
                f"{self._scope.place}: {len(indexes) - bound} of the items for batch {batch_id} of run {run_id!r} "
                "await no retry; nothing was written, please report this"
            )

    def bound(self, batch: BatchRecord) -> Sequence[RequestRef]:
        return self._requests(_REQUESTS.where(retry.c.batch_id == batch.batch_id).order_by(retry.c.item_index))

    def rebind(self, *, from_batch: BatchRecord, to_batch: BatchRecord) -> None:
        moved = update(retry).where(retry.c.batch_id == from_batch.batch_id).values(batch_id=to_batch.batch_id)
        self._connection.execute(moved)

    def drop(self, run_id: str, indexes: Collection[int]) -> None:
        key = self._scope.run_key(run_id)
        if indexes:
            self._scope.bulk.drop_retries(self._connection, key, sorted(indexes))

    def next_due(self, run_id: str) -> datetime | None:
        waiting = select(func.min(retry.c.not_before)).where(
            retry.c.run_key == self._scope.run_key(run_id), retry.c.batch_id.is_(None)
        )
        return self._connection.execute(waiting).scalar()

    def _requests(self, rows: Select[*tuple[Any, ...]]) -> list[RequestRef]:
        return [RequestRef._make(row) for row in self._connection.execute(rows)]
