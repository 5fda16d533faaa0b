"""The view against the domain's function, on every combination of facts that one item can have."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from sqlalchemy import Connection, Table, create_engine, insert, select

from batchor_core.domain.batch import TERMINAL, BatchState
from batchor_core.domain.item import ItemFacts, ItemStatus, derive_status
from batchor_sql import schema
from batchor_sql.keys import key_of
from batchor_testkit.state_examples import NOW

_RUN_KEY = 7
_FAILURES = {ItemStatus.COMPLETED: None, ItemStatus.FAILED_PERMANENT: "{}"}


@dataclass(frozen=True)
class Case:
    """What is stored about one item; `retry` is "none", "waiting" or "bound"."""

    has_request: bool
    result: ItemStatus | None
    range_state: BatchState | None
    retry: str
    retry_state: BatchState

    def facts(self) -> ItemFacts:
        state = None
        if self.retry == "bound":
            state = self.retry_state
        elif self.retry == "none" and self.has_request and self.range_state not in TERMINAL:
            state = self.range_state
        return ItemFacts(self.result, self.retry == "waiting", state)


CASES = [
    Case(*facts)
    for facts in product(
        [True, False],
        [None, ItemStatus.COMPLETED, ItemStatus.FAILED_PERMANENT],
        [None, *BatchState],
        ["none", "waiting", "bound"],
        BatchState,
    )
]


def _defaults(table: Table) -> dict[str, object]:
    """A value for every column that needs one."""
    wanted = [column for column in table.c if not column.nullable and column.name != "batch_id"]
    return {column.name: NOW if column.name.endswith(("_at", "_before")) else 0 for column in wanted}


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A database that holds each of `CASES` as the item of its number."""
    engine = create_engine("sqlite://")
    schema.metadata.create_all(engine)
    with engine.connect() as connection:
        for index, case in enumerate(CASES):
            _store(connection, index, case)
        yield connection
    engine.dispose()


def _store(connection: Connection, index: int, case: Case) -> None:
    key = {"item_key": key_of(_RUN_KEY, index)}
    item = _defaults(schema.item) | key | {"id_key": f"item-{index}", "segment_id": 1 if case.has_request else None}
    connection.execute(insert(schema.item).values(item))
    if case.result is not None:
        result = _defaults(schema.result) | key | {"result_key": index, "failure": _FAILURES[case.result]}
        connection.execute(insert(schema.result).values(result))
    if case.range_state is not None:
        _store_batch(connection, case.range_state, first=index, last=index + 1)
    if case.retry != "none":
        bound = case.retry == "bound"
        batch_id = _store_batch(connection, case.retry_state, first=0, last=0) if bound else None
        row = _defaults(schema.retry) | key | {"reason": "example", "batch_id": batch_id}
        connection.execute(insert(schema.retry).values(row))


def _store_batch(connection: Connection, state: BatchState, *, first: int, last: int) -> int:
    values = {"run_key": _RUN_KEY, "batch_key": "", "state": state, "faults": []}
    batch = _defaults(schema.batch) | values | {"first_index": first, "last_index": last}
    new = insert(schema.batch).values(batch).returning(schema.batch.c.batch_id)
    batch_id: int = connection.execute(new).scalar_one()
    return batch_id


def test_the_view_says_of_every_item_what_the_domain_says(connection: Connection) -> None:
    view = schema.item_status
    rows = connection.execute(select(view.c.item_index, view.c.status).order_by(view.c.item_index)).all()
    wrong = [
        (case, status) for case, (_, status) in zip(CASES, rows, strict=True) if derive_status(case.facts()) != status
    ]
    assert wrong == []


def test_the_cases_reach_every_status() -> None:
    assert {derive_status(case.facts()) for case in CASES} == set(ItemStatus)
