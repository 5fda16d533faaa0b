"""The bulk statements, compiled once per engine to texts that take tuples.

Tuples through the driver cost half of what dictionaries through the compiler do.
"""

from dataclasses import dataclass

from sqlalchemy import Dialect, bindparam, delete, update
from sqlalchemy.sql.elements import ClauseElement

from batchor_sql.dialects import DialectTraits, traits_of
from batchor_sql.schema import item, result, retry

_KEY = ("run_key", "item_index")


@dataclass(frozen=True, slots=True)
class Statements:
    """Texts for `exec_driver_sql`; each says the order of its tuples."""

    add_items: str
    """The columns of `item`. Rows that clash are left out, so that the transaction lives on and can tell which."""
    add_results: str
    """The columns of `result`. An item that has a result keeps it; a sequence used twice is an error."""
    put_retries: str
    """The columns of `retry`."""
    bind_retries: str
    """batch_id, run_key, item_index."""
    drop_retries: str
    """run_key, item_index."""


def compile_statements(dialect: Dialect) -> Statements:
    """The texts for this dialect's driver."""
    traits = traits_of(dialect)
    new = traits.insert(retry)
    replaced = {column.name: new.excluded[column.name] for column in retry.c if column.name not in _KEY}
    this_retry = (retry.c.run_key == bindparam("of_run"), retry.c.item_index == bindparam("of_item"))
    bind = update(retry).values(batch_id=bindparam("to_batch")).where(*this_retry, retry.c.batch_id.is_(None))
    return Statements(
        add_items=_text(traits.insert(item).on_conflict_do_nothing(), traits),
        add_results=_text(traits.insert(result).on_conflict_do_nothing(index_elements=_KEY), traits),
        put_retries=_text(new.on_conflict_do_update(index_elements=_KEY, set_=replaced), traits),
        bind_retries=_text(bind, traits),
        drop_retries=_text(delete(retry).where(*this_retry), traits),
    )


def _text(statement: ClauseElement, traits: DialectTraits) -> str:
    return str(statement.compile(dialect=traits.positional))
