"""The SQL view that derives each item's status, as `domain.item.derive_status` does.

Its words come from that function, so the mapping stands in one place.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, Text, and_, case, literal_column, select

from batchor_core.domain.batch import BatchState
from batchor_core.domain.item import ItemFacts, derive_status
from batchor_core.domain.results import ended_as
from batchor_sql.keys import number_of, run_of

type OpenTest = Callable[[ColumnElement[BatchState]], ColumnElement[bool]]


def _word(value: str) -> ColumnElement[str]:
    """A literal, for a view holds no bound values."""
    return literal_column(f"'{value}'", Text)


def _derived(*, awaits_retry: bool = False, batch_state: BatchState | None = None) -> ColumnElement[str]:
    facts = ItemFacts(result=None, awaits_retry=awaits_retry, batch_state=batch_state)
    return _word(derive_status(facts).value)


def _state_of_batch(item: Table, batch: Table, retry: Table, is_open: OpenTest) -> ColumnElement[BatchState]:
    """The state of the batch that holds the item: its retry row's, else the open one whose range it is in."""
    of_retry = select(batch.c.state).where(batch.c.batch_id == retry.c.batch_id)
    of_range = select(batch.c.state).where(
        batch.c.run_key == run_of(item.c.item_key),
        is_open(batch.c.state),
        batch.c.first_index <= number_of(item.c.item_key),
        batch.c.last_index > number_of(item.c.item_key),
        item.c.segment_id.is_not(None),
    )
    return case(
        (retry.c.item_key.is_not(None), of_retry.correlate(retry).scalar_subquery()),
        else_=of_range.correlate(item).limit(literal_column("1")).scalar_subquery(),
    )


def select_item_status(
    *, item: Table, item_id: ColumnElement[str], batch: Table, retry: Table, result: Table, is_open: OpenTest
) -> Select[*tuple[Any, ...]]:
    """Item key, item index, item id and status of every item."""
    by_state = {_word(state.value): _derived(batch_state=state) for state in BatchState}
    ended = case((result.c.failure.is_(None), _word(ended_as(None).value)), else_=_word(ended_as("").value))
    status = case(
        (result.c.item_key.is_not(None), ended),
        (and_(retry.c.item_key.is_not(None), retry.c.batch_id.is_(None)), _derived(awaits_retry=True)),
        else_=case(by_state, value=_state_of_batch(item, batch, retry, is_open), else_=_derived()),
    )
    facts = item.outerjoin(result, result.c.item_key == item.c.item_key).outerjoin(
        retry, retry.c.item_key == item.c.item_key
    )
    index = number_of(item.c.item_key).label("item_index")
    return select(item.c.item_key, index, item_id, status.label("status")).select_from(facts)
