"""Writes of many rows at once, in the way that is cheap in each database."""

from collections.abc import Callable, Iterable, Sequence
from itertools import batched, chain
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect, Engine, event

from batchor_sql.dialects import traits_of
from batchor_sql.schema import item, result
from batchor_sql.statements import ROWS_AT_ONCE, CopyStatement, array_statements, copy_statement, row_statements
from batchor_sql.storage_errors import ClashError

type Row = tuple[Any, ...]

_TYPES = "batchor_copy_types"
"""The execution option that makes a statement a COPY."""


class BulkWriter(Protocol):
    """Rows are tuples in the order of the table's columns, at least one.

    To be handed over as they are made: a list of tuples is what the garbage collector spends most of its time on.
    """

    def add_items(self, connection: Connection, rows: Iterable[Row]) -> int:
        """The number stored. When some clash it is less than all, and the transaction lives on and can tell which."""
        ...

    def add_results(self, connection: Connection, rows: Iterable[Row]) -> int:
        """The number stored: an item that has a result keeps it. A sequence used twice is an error."""
        ...

    def put_retries(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Store or replace them."""
        ...

    def bind_retries(self, connection: Connection, item_keys: Sequence[int], *, batch_id: int) -> int:
        """Give those that no batch holds to this one; their number."""
        ...

    def drop_retries(self, connection: Connection, item_keys: Sequence[int]) -> None: ...


class RowWriter:
    """Row by row inside the driver: cheap where the database is in this process."""

    def __init__(self, dialect: Dialect) -> None:
        self._texts = row_statements(dialect)

    def add_items(self, connection: Connection, rows: Iterable[Row]) -> int:
        return _insert(connection, rows, one=self._texts.add_items, many=self._texts.add_many_items)

    def add_results(self, connection: Connection, rows: Iterable[Row]) -> int:
        return _insert(connection, rows, one=self._texts.add_results, many=self._texts.add_many_results)

    def put_retries(self, connection: Connection, rows: Sequence[Row]) -> None:
        connection.exec_driver_sql(self._texts.put_retries, list(rows))

    def bind_retries(self, connection: Connection, item_keys: Sequence[int], *, batch_id: int) -> int:
        rows = [(batch_id, key) for key in item_keys]
        return connection.exec_driver_sql(self._texts.bind_retries, rows).rowcount

    def drop_retries(self, connection: Connection, item_keys: Sequence[int]) -> None:
        connection.exec_driver_sql(self._texts.drop_retries, [(key,) for key in item_keys])


class CopyWriter:
    """COPY for what is new, arrays for what changes: a tenth of the cost of single rows, on both sides."""

    def __init__(self, dialect: Dialect) -> None:
        self._by_row = RowWriter(dialect)
        self._arrays = array_statements()
        self._items = copy_statement(item)
        self._results = copy_statement(result)

    def add_items(self, connection: Connection, rows: Iterable[Row]) -> int:
        whole = list(rows)
        return 0 if _clashes(connection, self._items, whole) else len(whole)

    def add_results(self, connection: Connection, rows: Iterable[Row]) -> int:
        # Second answers are rare, and mostly left out before; only then the rows go one by one.
        whole = list(rows)
        return self._by_row.add_results(connection, whole) if _clashes(connection, self._results, whole) else len(whole)

    def put_retries(self, connection: Connection, rows: Sequence[Row]) -> None:
        columns = tuple(list(column) for column in zip(*rows, strict=True))
        connection.exec_driver_sql(self._arrays.put_retries, columns)

    def bind_retries(self, connection: Connection, item_keys: Sequence[int], *, batch_id: int) -> int:
        return connection.exec_driver_sql(self._arrays.bind_retries, (batch_id, list(item_keys))).rowcount

    def drop_retries(self, connection: Connection, item_keys: Sequence[int]) -> None:
        connection.exec_driver_sql(self._arrays.drop_retries, (list(item_keys),))


def bulk_writer(engine: Engine) -> BulkWriter:
    """The writer for the engine's database; to be made once for each engine."""
    if not traits_of(engine.dialect).copies:
        return RowWriter(engine.dialect)
    event.listen(engine, "do_execute", _by_copy(lambda row: [row]))
    event.listen(engine, "do_executemany", _by_copy(list))
    return CopyWriter(engine.dialect)


def _insert(connection: Connection, rows: Iterable[Row], *, one: str, many: str) -> int:
    """Insert rows many at a time, which takes a quarter off the driver's cost, and the rest one by one; the number stored."""
    joined: list[Row] = []
    rest: list[Row] = []
    for some in batched(rows, ROWS_AT_ONCE):
        if len(some) == ROWS_AT_ONCE:
            joined.append(tuple(chain.from_iterable(some)))
        else:
            rest.extend(some)
    stored = connection.exec_driver_sql(many, joined).rowcount if joined else 0
    return stored + (connection.exec_driver_sql(one, rest).rowcount if rest else 0)


def _clashes(connection: Connection, table: CopyStatement, rows: Sequence[Row]) -> bool:
    """Copy all rows, or none where a key is taken; whether that was so."""
    try:
        # Without the savepoint, a clash would end the transaction before it can tell what clashed.
        with connection.begin_nested():
            connection.exec_driver_sql(table.text, list(rows), execution_options={_TYPES: table.types})
    except ClashError:
        return True
    return False


def _by_copy(rows_of: Callable[[Any], Sequence[Row]]) -> Callable[..., bool]:
    """A way to run a statement for SQLAlchemy, which knows no COPY: so its faults are noticed like all others."""

    def copy(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        types = context.execution_options.get(_TYPES)
        if types is None:
            return False
        with cursor.copy(statement) as stream:
            stream.set_types(types)
            for row in rows_of(parameters):
                stream.write_row(row)
        return True

    return copy
