"""Where items come from."""

from collections.abc import Sequence

from sqlalchemy import func, insert, select

from batchor_core.domain.lineage import LineageSpan
from batchor_sql.schema import lineage
from batchor_sql.scope import Scope

_SPAN = [column for column in lineage.c if column.name != "run_key"]


class SqlLineageStore:
    """`LineageStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def append(self, run_id: str, spans: Sequence[LineageSpan]) -> None:
        key = self._scope.run_key(run_id)
        if spans:
            self._connection.execute(insert(lineage), [{"run_key": key, **span._asdict()} for span in spans])

    def spans(self, run_id: str, *, first: int, last: int) -> Sequence[LineageSpan]:
        of_run = lineage.c.run_key == self._scope.run_key(run_id)
        holds_first = select(func.max(lineage.c.first_index)).where(of_run, lineage.c.first_index <= first)
        start = func.coalesce(holds_first.scalar_subquery(), first)
        rows = (
            select(*_SPAN)
            .where(of_run, lineage.c.first_index >= start, lineage.c.first_index < last)
            .order_by(lineage.c.first_index)
        )
        return [LineageSpan._make(row) for row in self._connection.execute(rows)]
