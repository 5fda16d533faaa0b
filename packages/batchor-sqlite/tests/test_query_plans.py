"""Every statement of every hot method is looked at as SQLite plans it: by key or index, without sorting."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from batchor_core.domain.batch import BatchRecord
from batchor_core.ports.state import UnitOfWork
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import (
    LEASE_TTL,
    NOW,
    RUN_ID,
    example_batch,
    example_items,
    example_result,
    seconds_later,
)
from batchor_testkit.state_steps import Verdict, claim, settle, submit, submitted_batch

type Step = Callable[[UnitOfWork, BatchRecord], object]


class Recorder:
    """The statements that SQLAlchemy sends while it listens."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def __call__(self, _connection: object, _cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        executemany = rest[-1]
        self.sent.append((statement, parameters[0] if executemany else parameters))

    def explained(self, path: Path) -> list[str]:
        with closing(sqlite3.connect(path)) as connection:
            return [
                step[3]
                for statement, parameters in self.sent
                if not statement.startswith("BEGIN")
                for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SQLiteStorage]:
    storage = SQLiteStorage(path=tmp_path / "state.sqlite3")
    yield storage
    storage.close()


def _plan(storage: SQLiteStorage, step: Step) -> list[str]:
    """The plan of what *step* sends, on a run with results, waiting and bound retries and an open batch."""
    batch = submitted_batch(storage, items=6)
    with storage.transaction() as unit:
        settle(unit, batch, {0: Verdict.SUCCEED, 1: Verdict.REJECT, 2: Verdict.RETRY, 3: Verdict.RETRY})
        claim(unit, retries=1, batch_key="key-2", now=seconds_later(1))
    recorder = Recorder()
    with storage.transaction() as unit:
        event.listen(Engine, "before_cursor_execute", recorder)
        try:
            step(unit, batch)
        finally:
            event.remove(Engine, "before_cursor_execute", recorder)
    return recorder.explained(storage.path)


HOT: dict[str, Step] = {
    "append_items": lambda unit, _: unit.items.append(RUN_ID, example_items(6, 9, segment_id=None)),
    "requests": lambda unit, _: unit.items.requests(RUN_ID, first=2, limit=100),
    "extent": lambda unit, _: unit.items.extent(RUN_ID, first=2, limit=100),
    "page": lambda unit, _: unit.items.page(RUN_ID, first=2, limit=100),
    "statuses": lambda unit, _: unit.items.statuses(RUN_ID, first=2, limit=100),
    "lineage": lambda unit, _: unit.lineage.spans(RUN_ID, first=2, last=100),
    "run": lambda unit, _: unit.runs.get(RUN_ID),
    "save_run": lambda unit, _: unit.runs.save(unit.runs.lock(RUN_ID)),
    "runs": lambda unit, _: unit.runs.page(before=RUN_ID, limit=10),
    "add_batch": lambda unit, _: unit.batches.add(example_batch()),
    "lease_due": lambda unit, _: unit.batches.lease_due(
        run_id=RUN_ID, owner="w", now=seconds_later(600), ttl=LEASE_TTL, limit=5
    ),
    "hold": lambda unit, batch: unit.batches.hold(batch, now=NOW, ttl=LEASE_TTL),
    "save_batch": lambda unit, batch: unit.batches.save(batch),
    "open_batches": lambda unit, _: unit.batches.open_batches(RUN_ID),
    "outlook": lambda unit, _: unit.batches.outlook(RUN_ID),
    "holding": lambda unit, batch: unit.items.holding(batch),
    "due": lambda unit, _: unit.retries.due(RUN_ID, now=seconds_later(5), limit=100),
    "bind": lambda unit, batch: unit.retries.bind(RUN_ID, [3], batch_id=batch.batch_id),
    "bound": lambda unit, batch: unit.retries.bound(batch),
    "rebind": lambda unit, batch: unit.retries.rebind(from_batch=batch, to_batch=batch),
    "drop": lambda unit, _: unit.retries.drop(RUN_ID, [2]),
    "next_due": lambda unit, _: unit.retries.next_due(RUN_ID),
    "append_results": lambda unit, _: unit.results.append(RUN_ID, [example_result(4, sequence=9)]),
    "withdraw": lambda unit, _: unit.results.withdraw(RUN_ID, error_class=None, limit=100),
    "get": lambda unit, _: unit.results.get(RUN_ID, [0, 1]),
    "by_index": lambda unit, _: unit.results.by_index(RUN_ID, first=0, limit=100),
    "by_sequence": lambda unit, _: unit.results.by_sequence(RUN_ID, after=0, limit=100),
    "failures": lambda unit, _: unit.results.failures(RUN_ID),
    "artifacts": lambda unit, _: unit.artifacts.of_run(RUN_ID),
    "artifact": lambda unit, _: unit.artifacts.get([1, 2]),
    "events": lambda unit, _: unit.events.read(RUN_ID, after=0, limit=100),
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_searches_by_key_and_does_not_sort(storage: SQLiteStorage, name: str) -> None:
    plan = _plan(storage, HOT[name])
    # "taken" are the rows that a subquery has searched, as many as its limit.
    harmless = {"SCAN CONSTANT ROW", "SCAN taken"}
    assert [step for step in plan if step.startswith("SCAN") and step not in harmless] == []
    assert [step for step in plan if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("append_items", "SEARCH item USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("requests", "SEARCH item USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("extent", "SEARCH item USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("page", "SEARCH item USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("statuses", "SEARCH item USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("statuses", "SEARCH result USING INDEX result_by_item (item_key=?) LEFT-JOIN"),
        ("statuses", "SEARCH retry USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"),
        ("lineage", "SEARCH lineage USING PRIMARY KEY (run_key=? AND first_index>? AND first_index<?)"),
        ("lease_due", "SEARCH batch USING INDEX batch_due (run_key=? AND next_due_at<?)"),
        ("open_batches", "SEARCH batch USING INDEX batch_due (run_key=?)"),
        ("outlook", "SEARCH batch USING INDEX batch_due (run_key=?)"),
        ("outlook", "SEARCH batch USING INDEX batch_due (run_key=? AND next_due_at<?)"),
        ("outlook", "SEARCH batch USING INDEX batch_unsent (run_key=?)"),
        ("holding", "SEARCH item USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("holding", "SEARCH result USING COVERING INDEX result_by_item (item_key>? AND item_key<?)"),
        ("holding", "SEARCH retry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("holding", "SEARCH retry USING INDEX retry_bound (batch_id=?)"),
        ("due", "SEARCH retry USING INDEX retry_waiting (<expr>=? AND not_before<?)"),
        ("bind", "SEARCH retry USING INTEGER PRIMARY KEY (rowid=?)"),
        ("drop", "SEARCH retry USING INTEGER PRIMARY KEY (rowid=?)"),
        ("bound", "SEARCH item USING INTEGER PRIMARY KEY (rowid=?)"),
        ("bound", "SEARCH retry USING COVERING INDEX retry_bound (batch_id=?)"),
        ("next_due", "SEARCH retry USING INDEX retry_waiting (<expr>=?)"),
        ("withdraw", "SEARCH result USING INDEX result_failed (<expr>=? AND error_class>?)"),
        ("withdraw", "SEARCH result USING INTEGER PRIMARY KEY (rowid=?)"),
        ("get", "SEARCH result USING INDEX result_by_item (item_key=?)"),
        ("by_index", "SEARCH result USING INDEX result_by_item (item_key>? AND item_key<?)"),
        ("by_index", "SEARCH item USING INTEGER PRIMARY KEY (rowid=?)"),
        ("by_sequence", "SEARCH result USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("failures", "SEARCH result USING COVERING INDEX result_failed (<expr>=? AND error_class>?)"),
    ],
)
def test_a_hot_statement_takes_the_index_that_is_made_for_it(storage: SQLiteStorage, name: str, search: str) -> None:
    assert search in _plan(storage, HOT[name])


def test_the_outlook_costs_the_same_however_many_batches_are_open(storage: SQLiteStorage) -> None:
    """In steps of SQLite's machine, with a worker that has some of them in its hands."""
    submitted_batch(storage, items=1)
    costs = []
    for more in (10, 400):
        with storage.transaction() as unit:
            for _ in range(more):
                submit(unit, unit.batches.add(example_batch(next_due_at=seconds_later(60))))
            unit.batches.lease_due(run_id=RUN_ID, owner="w", now=seconds_later(60), ttl=LEASE_TTL, limit=4)
        costs.append(_machine_steps(storage, lambda unit: unit.batches.outlook(RUN_ID)))
    few, many = costs
    assert 0 < few == pytest.approx(many, abs=100)  # the second time, eight of them are in its hands


def _machine_steps(storage: SQLiteStorage, read: Callable[[UnitOfWork], object]) -> int:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def listen(connection: Connection, *_: object) -> None:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 1)

    with storage.reading() as unit:
        event.listen(Engine, "before_cursor_execute", listen)
        try:
            read(unit)
        finally:
            event.remove(Engine, "before_cursor_execute", listen)
    return steps
