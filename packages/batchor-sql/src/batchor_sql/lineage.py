"""Where items come from."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, bindparam, func, insert, select

from batchor_core.domain.lineage import LineageSpan
from batchor_sql.schema import lineage
from batchor_sql.scope import Scope

_SPAN = [column for column in lineage.c if column.name != "run_key"]
_OF_RUN = lineage.c.run_key == bindparam("of_run")
_FIRST = bindparam("first", type_=BigInteger)
_HOLDS_FIRST = select(func.max(lineage.c.first_index)).where(_OF_RUN, lineage.c.first_index <= _FIRST)
_OF_ITEMS = (
    select(*_SPAN)
    .where(
        _OF_RUN,
        lineage.c.first_index >= func.coalesce(_HOLDS_FIRST.scalar_subquery(), _FIRST),
        lineage.c.first_index < bindparam("last"),
    )
    .order_by(lineage.c.first_index)
)


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
        values = {"of_run": self._scope.run_key(run_id), "first": first, "last": last}
        return list(map(LineageSpan._make, self._scope.rows(_OF_ITEMS, values)))
