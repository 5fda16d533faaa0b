"""The texts of the bulk statements, compiled once per engine for what the driver takes.

Tuples through the driver cost half of what dictionaries through the compiler do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import BigInteger, Dialect, Insert, Table, bindparam, delete, update
from sqlalchemy.sql.elements import ClauseElement

from batchor_sql.dialects import DialectTraits, traits_of
from batchor_sql.schema import item, result, retry

_KEY = ("item_key",)

ROWS_AT_ONCE = 50
"""Of the widest table, that many stay below the 999 variables that the oldest SQLite takes."""


class InsertTexts(NamedTuple):
    """An INSERT of some columns of a table, in their order."""

    one: str
    """Takes one row."""
    many: str
    """Takes `ROWS_AT_ONCE` rows, one behind the other."""


class InsertStatement:
    """An INSERT whose columns are chosen at each use: those that hold nothing need not be bound."""

    def __init__(self, statement: Insert, traits: DialectTraits) -> None:
        self._statement = statement
        self._dialect = traits.positional
        self._names = [column.name for column in statement.table.c]
        self._known: dict[tuple[int, ...], InsertTexts] = {}

    def texts(self, places: Sequence[int]) -> InsertTexts:
        """For the columns in these places of the table, ascending; compiled once for each choice."""
        chosen = tuple(places)
        if chosen not in self._known:
            names = [self._names[place] for place in chosen]
            one = str(self._statement.compile(dialect=self._dialect, column_keys=names))
            self._known[chosen] = InsertTexts(one, _of_many(one))
        return self._known[chosen]


@dataclass(frozen=True, slots=True)
class RowStatements:
    """Texts that take one row each, but for the first two; each says the order of its tuples."""

    add_items: InsertStatement
    """Rows that clash are left out, so that the transaction lives on and can tell which."""
    add_results: InsertStatement
    """An item that has a result keeps it; a sequence used twice is an error."""
    put_retries: str
    """The columns of `retry`."""
    bind_retries: str
    """batch_id, item_key."""
    drop_retries: str
    """item_key."""


@dataclass(frozen=True, slots=True)
class CopyStatement:
    """A COPY of all columns of a table."""

    text: str
    types: Sequence[str]
    """The type of each column, as binary COPY has to be told."""


@dataclass(frozen=True, slots=True)
class ArrayStatements:
    """Texts that take all rows at once, in arrays; each says the order of its values."""

    put_retries: str
    """An array for each column of `retry`."""
    bind_retries: str
    """batch_id, an array of item_key."""
    drop_retries: str
    """An array of item_key."""


def row_statements(dialect: Dialect) -> RowStatements:
    """The texts for this dialect's driver."""
    traits = traits_of(dialect)
    new = traits.insert(retry)
    replaced = {column.name: new.excluded[column.name] for column in retry.c if column.name not in _KEY}
    this_retry = retry.c.item_key == bindparam("of_item")
    bind = update(retry).values(batch_id=bindparam("to_batch")).where(this_retry, retry.c.batch_id.is_(None))
    add_results = traits.insert(result).on_conflict_do_nothing(index_elements=_KEY)
    return RowStatements(
        add_items=InsertStatement(traits.insert(item).on_conflict_do_nothing(), traits),
        add_results=InsertStatement(add_results, traits),
        put_retries=_text(new.on_conflict_do_update(index_elements=_KEY, set_=replaced), traits),
        bind_retries=_text(bind, traits),
        drop_retries=_text(delete(retry).where(this_retry), traits),
    )


def copy_statement(table: Table) -> CopyStatement:
    """PostgreSQL's COPY into *table*."""
    types = ["int8" if _is_number(column.type) else "text" for column in table.c]
    return CopyStatement(f"COPY {table.name} ({_names(table)}) FROM STDIN (FORMAT BINARY)", types)


def array_statements() -> ArrayStatements:
    """PostgreSQL's statements on arrays."""
    arrays = ", ".join(f"%s::{'bigint' if _is_number(column.type) else 'text'}[]" for column in retry.c)
    replaced = ", ".join(f"{column.name} = excluded.{column.name}" for column in retry.c if column.name not in _KEY)
    # Of constants alone: the names are the schema's, and every value is bound.
    put = "INSERT INTO retry ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT (item_key) DO UPDATE SET {replaced}"
    return ArrayStatements(
        put_retries=put.format(names=_names(retry), arrays=arrays, replaced=replaced),
        bind_retries="UPDATE retry SET batch_id = %s WHERE item_key = ANY(%s::bigint[]) AND batch_id IS NULL",
        drop_retries="DELETE FROM retry WHERE item_key = ANY(%s::bigint[])",
    )


def _of_many(insert: str) -> str:
    """*insert*, which takes one row, for `ROWS_AT_ONCE` rows."""
    # Put together as text: to have SQLAlchemy compile a thousand places takes as long as to open the database.
    head, _, rest = insert.partition(" VALUES ")
    places, _, tail = rest.partition(" ON CONFLICT")
    return "{} VALUES {} ON CONFLICT{}".format(head, ", ".join([places] * ROWS_AT_ONCE), tail)


def _is_number(column_type: object) -> bool:
    return isinstance(getattr(column_type, "impl_instance", column_type), BigInteger)


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.c)


def _text(statement: ClauseElement, traits: DialectTraits) -> str:
    return str(statement.compile(dialect=traits.positional))
