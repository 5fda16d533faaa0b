"""Enqueued tokens, by scope."""

from dataclasses import asdict

from sqlalchemy import bindparam, select, update

from batchor_core.domain.capacity import CapacityRecord
from batchor_sql.dialects import traits_of
from batchor_sql.schema import capacity as capacities
from batchor_sql.scope import Scope

_OF_SCOPE = select(capacities).where(capacities.c.scope == bindparam("of_scope"))


class SqlCapacityStore:
    """`CapacityStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._connection = scope.connection

    def get(self, scope: str) -> CapacityRecord:
        row = self._connection.execute(_OF_SCOPE, {"of_scope": scope}).mappings().one_or_none()
        return CapacityRecord(scope) if row is None else CapacityRecord(**row)

    def lock(self, scope: str) -> CapacityRecord:
        new = traits_of(self._connection.dialect).insert(capacities).on_conflict_do_nothing()
        self._connection.execute(new, asdict(CapacityRecord(scope)))
        row = self._connection.execute(_OF_SCOPE.with_for_update(key_share=True), {"of_scope": scope})
        return CapacityRecord(**row.mappings().one())

    def save(self, capacity: CapacityRecord) -> None:
        row = update(capacities).where(capacities.c.scope == capacity.scope)
        self._connection.execute(row, asdict(capacity))
