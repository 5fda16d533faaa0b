"""Writes of many rows at once, in the way that is cheap in each database."""

from collections.abc import Sequence
from itertools import batched
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect, Engine, event

from batchor_sql.dialects import traits_of
from batchor_sql.schema import item, result
from batchor_sql.statements import (
    ROWS_AT_ONCE,
    CopyStatement,
    InsertStatement,
    array_statements,
    copy_statement,
    row_statements,
)
from batchor_sql.storage_errors import ClashError

type Row = tuple[Any, ...]
type Columns = Sequence[Sequence[Any]]

_TYPES = "batchor_copy_types"
"""The execution option that makes a statement a COPY."""


class BulkWriter(Protocol):
    """What is new comes as the columns of its table, in their order: a tuple for each row costs more than its insert gains.

    What changes is little, and comes as rows. There is at least one.
    """

    def add_items(self, connection: Connection, columns: Columns) -> int:
        """The number stored. When some clash it is less than all, and the transaction lives on and can tell which."""
        ...

    def add_results(self, connection: Connection, columns: Columns) -> int:
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

    def add_items(self, connection: Connection, columns: Columns) -> int:
        return _insert(connection, self._texts.add_items, columns)

    def add_results(self, connection: Connection, columns: Columns) -> int:
        return _insert(connection, self._texts.add_results, columns)

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

    def add_items(self, connection: Connection, columns: Columns) -> int:
        return 0 if _clashes(connection, self._items, columns) else len(columns[0])

    def add_results(self, connection: Connection, columns: Columns) -> int:
        # Second answers are rare, and mostly left out before; only then the rows are compared one by one.
        if _clashes(connection, self._results, columns):
            return self._by_row.add_results(connection, columns)
        return len(columns[0])

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
    event.listen(engine, "do_execute", _copy)
    return CopyWriter(engine.dialect)


def _insert(connection: Connection, into: InsertStatement, columns: Columns) -> int:
    """Insert rows many at a time, which takes a quarter off the driver's cost, and the rest one by one; the number stored."""
    filled = [place for place, column in enumerate(columns) if not _is_empty(column)]
    texts = into.texts(filled)
    values = _row_by_row([columns[place] for place in filled])
    joined_end = len(values) - len(values) % (len(filled) * ROWS_AT_ONCE)
    joined = list(batched(values[:joined_end], len(filled) * ROWS_AT_ONCE))
    rest = list(batched(values[joined_end:], len(filled)))
    stored = connection.exec_driver_sql(texts.many, joined).rowcount if joined else 0
    return stored + (connection.exec_driver_sql(texts.one, rest).rowcount if rest else 0)


def _is_empty(column: Sequence[Any]) -> bool:
    """Whether there is nothing in it: a tenth of a row's cost is to bind two NULLs."""
    return column[0] is None and column.count(None) == len(column)


def _row_by_row(columns: Columns) -> list[Any]:
    """All values, one row behind the other."""
    values = [None] * (len(columns) * len(columns[0]))
    for place, column in enumerate(columns):
        values[place :: len(columns)] = column
    return values


def _clashes(connection: Connection, table: CopyStatement, columns: Columns) -> bool:
    """Copy all rows, or none where a key is taken; whether that was so."""
    try:
        # Without the savepoint, a clash would end the transaction before it can tell what clashed.
        with connection.begin_nested():
            connection.exec_driver_sql(table.text, tuple(columns), execution_options={_TYPES: table.types})
    except ClashError:
        return True
    return False


def _copy(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    """Run a statement for SQLAlchemy, which knows no COPY: so its faults are noticed like all others. Whether it is one."""
    types = context.execution_options.get(_TYPES)
    if types is None:
        return False
    with cursor.copy(statement) as stream:
        stream.set_types(types)
        # The parameters are columns; no row outlives its turn, so the garbage collector has none to go through.
        for row in zip(*parameters, strict=True):
            stream.write_row(row)
    return True
