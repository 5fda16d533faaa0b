"""Events that are worth keeping."""

from collections.abc import Sequence

from sqlalchemy import insert, select

from batchor_core.domain.events import RunEvent
from batchor_sql.schema import event
from batchor_sql.scope import Scope


class SqlEventLog:
    """`EventLog` in SQL; the sequence numbers count the events of all runs."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def append(self, events: Sequence[RunEvent]) -> None:
        rows = [
            {
                "run_key": self._scope.run_key(entry.run_id),
                "at": entry.at,
                "kind": entry.event_type,
                "data": entry.data,
            }
            for entry in events
        ]
        if rows:
            self._connection.execute(insert(event), rows)

    def read(self, run_id: str, *, after: int, limit: int) -> Sequence[tuple[int, RunEvent]]:
        rows = (
            select(event.c.sequence, event.c.kind, event.c.at, event.c.data)
            .where(event.c.run_key == self._scope.run_key(run_id), event.c.sequence > after)
            .order_by(event.c.sequence)
            .limit(limit)
        )
        return [
            (sequence, RunEvent(kind, run_id, at, data)) for sequence, kind, at, data in self._connection.execute(rows)
        ]
