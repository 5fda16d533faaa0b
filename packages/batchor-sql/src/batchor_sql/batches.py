"""Batches of all runs, and the leases on them."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import RowMapping, Select, and_, bindparam, case, func, insert, literal, or_, select, update

from batchor_core.domain.batch import BatchRecord, LineFault
from batchor_core.domain.lease import Lease
from batchor_core.errors import LeaseLostError, StorageError
from batchor_core.ports.state_records import BatchOutlook
from batchor_sql.schema import batch as batches
from batchor_sql.schema import is_open, is_unsent, run
from batchor_sql.scope import Scope, in_slices

_FIXED = frozenset({"batch_id", "run_id", "batch_key", "first", "last", "created_at"})
_OWN_SHAPE = frozenset({"lease", "faults"})
_ALIKE = tuple(field.name for field in fields(BatchRecord) if field.name not in _FIXED | _OWN_SHAPE)
"""What may change, and stands in a column of its own name."""


def _outlook() -> Select[datetime | None, datetime | None, int]:
    of_run = batches.c.run_key == bindparam("run_key")
    is_of_run = and_(of_run, is_open(batches.c.state))
    due_at, lease_until = batches.c.next_due_at, batches.c.lease_until
    free_at = select(due_at).where(is_of_run, lease_until.is_(None)).order_by(due_at).limit(1).scalar_subquery()
    # Of those with a lease, only what is due before that can be taken before that: a few, for workers hold a few.
    before = func.coalesce(free_at, literal(datetime.max.replace(tzinfo=UTC), due_at.type))
    is_held = and_(is_of_run, lease_until.is_not(None), due_at < before)
    freed_at = select(func.min(case((lease_until > due_at, lease_until), else_=due_at))).where(is_held)
    unsent = select(func.count()).where(of_run, is_unsent(batches.c.state), batches.c.lease_owner.is_(None))
    return select(free_at, freed_at.scalar_subquery(), unsent.scalar_subquery())


_OUTLOOK = _outlook()


class SqlBatchStore:
    """`BatchStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def add(self, batch: BatchRecord) -> BatchRecord:
        fixed = {
            "run_key": self._scope.run_key(batch.run_id),
            "batch_key": batch.batch_key,
            "first_index": batch.first,
            "last_index": batch.last,
            "created_at": batch.created_at,
        }
        new = insert(batches).values(**fixed, **_changing(batch)).returning(batches.c.batch_id)
        return replace(batch, batch_id=self._connection.execute(new).scalar_one())

    def lease_due(self, *, run_id: str, owner: str, now: datetime, ttl: timedelta, limit: int) -> Sequence[BatchRecord]:
        free = or_(batches.c.lease_owner.is_(None), batches.c.lease_until.is_(None), batches.c.lease_until <= now)
        due = (
            self._open(run_id)
            .where(batches.c.next_due_at <= now, free)
            .order_by(batches.c.next_due_at, batches.c.batch_id)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
        found = [_record(row, run_id) for row in self._connection.execute(due).mappings()]
        taken = [replace(record, lease=record.lease.taken(owner, now=now, ttl=ttl)) for record in found]
        for before, after in zip(found, taken, strict=True):
            self._write(before, **_lease(after.lease))
        return taken

    def hold(self, batch: BatchRecord, *, now: datetime, ttl: timedelta) -> BatchRecord:
        self._write(batch, lease_until=now + ttl)
        return self.get(batch.batch_id)

    def save(self, batch: BatchRecord) -> None:
        self._write(batch, **_changing(batch))

    def get(self, batch_id: int) -> BatchRecord:
        found = select(batches, run.c.run_id).join(run).where(batches.c.batch_id == batch_id)
        row = self._connection.execute(found).mappings().one_or_none()
        if row is None:
            raise StorageError(f"{self._scope.place}: there is no batch {batch_id}; look at the run's open batches")
        return _record(row, row["run_id"])

    def open_batches(self, run_id: str) -> Sequence[BatchRecord]:
        found = self._open(run_id)
        if self._scope.writes:
            # Who reads them to change them must not undo what another worker commits in between.
            found = found.with_for_update(key_share=True)
        rows = self._connection.execute(found).mappings()
        return sorted((_record(row, run_id) for row in rows), key=attrgetter("batch_id"))

    def outlook(self, run_id: str) -> BatchOutlook:
        of_run = {"run_key": self._scope.run_key(run_id)}
        free_at, freed_at, waiting_to_be_sent = self._connection.execute(_OUTLOOK, of_run).one()
        return BatchOutlook(min(filter(None, (free_at, freed_at)), default=None), waiting_to_be_sent)

    def known(self, run_id: str, provider_batch_ids: Collection[str]) -> frozenset[str]:
        key = self._scope.run_key(run_id)
        found: set[str] = set()
        for ids in in_slices(list(provider_batch_ids)):
            rows = select(batches.c.provider_batch_id).where(
                batches.c.provider_batch_id.in_(ids), batches.c.run_key == key
            )
            found.update(self._connection.execute(rows).scalars())
        return frozenset(found)

    def _open(self, run_id: str) -> Select[*tuple[Any, ...]]:
        return select(batches).where(batches.c.run_key == self._scope.run_key(run_id), is_open(batches.c.state))

    def _write(self, batch: BatchRecord, **values: Any) -> None:
        """Change the row under the fence of *batch*, or `LeaseLostError`."""
        under_fence = update(batches).where(
            batches.c.batch_id == batch.batch_id, batches.c.lease_fence == batch.lease.fence
        )
        if self._connection.execute(under_fence.values(**values)).rowcount != 1:
            self.get(batch.batch_id)  # a batch that was never stored is another fault
            raise LeaseLostError(f"batch {batch.batch_id} of run {batch.run_id!r}")


def _lease(lease: Lease) -> dict[str, Any]:
    return {"lease_owner": lease.owner, "lease_until": lease.until, "lease_fence": lease.fence}


def _changing(batch: BatchRecord) -> dict[str, Any]:
    alike = {name: getattr(batch, name) for name in _ALIKE}
    return alike | _lease(batch.lease) | {"faults": [asdict(fault) for fault in batch.faults]}


def _record(row: RowMapping, run_id: str) -> BatchRecord:
    return BatchRecord(
        batch_id=row["batch_id"],
        run_id=run_id,
        batch_key=row["batch_key"],
        first=row["first_index"],
        last=row["last_index"],
        created_at=row["created_at"],
        lease=Lease(row["lease_owner"], row["lease_until"], row["lease_fence"]),
        faults=tuple(LineFault(**fault) for fault in row["faults"]),
        **{name: row[name] for name in _ALIKE},
    )
