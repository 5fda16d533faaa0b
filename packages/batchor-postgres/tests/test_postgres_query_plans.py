"""Every statement of every hot method is looked at as PostgreSQL plans it: by key or index, without sorting."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from batchor_core.domain.batch import BatchRecord
from batchor_core.ports.state import UnitOfWork
from batchor_postgres import PostgresStorage
from batchor_testkit.state_examples import LEASE_TTL, NOW, RUN_ID, example_batch, example_items, seconds_later
from batchor_testkit.state_steps import Verdict, claim, settle, submitted_batch

type Step = Callable[[UnitOfWork, BatchRecord], object]


class Recorder:
    """The statements that SQLAlchemy sends while it listens."""

    def __init__(self) -> None:
        self.sent: list[tuple[Connection, str, Any]] = []

    def __call__(self, connection: Connection, _cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        executemany = rest[-1]
        if not statement.startswith(("COPY", "SAVEPOINT", "RELEASE")):
            self.sent.append((connection, statement, parameters[0] if executemany else parameters))

    def explained(self) -> list[str]:
        """Their plans, by the sessions that sent them."""
        return [
            line.strip()
            for connection, statement, parameters in self.sent
            for (line,) in connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {statement}", parameters)
        ]


def _plan(storage: PostgresStorage, step: Step) -> list[str]:
    """The plan of what *step* sends, on a run with results, waiting and bound retries and an open batch.

    The tables hold a few rows, of which the server has no statistics: as it has none of a run that was just ingested.
    """
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
        return recorder.explained()


HOT: dict[str, tuple[Step, str]] = {
    "append": (lambda unit, _: unit.items.append(RUN_ID, example_items(6, 9, segment_id=None)), "item_pkey on item"),
    "requests": (lambda unit, _: unit.items.requests(RUN_ID, first=2, limit=100), "item_pkey on item"),
    "extent": (lambda unit, _: unit.items.extent(RUN_ID, first=2, limit=100), "item_pkey on item"),
    "page": (lambda unit, _: unit.items.page(RUN_ID, first=2, limit=100), "item_pkey on item"),
    "statuses": (lambda unit, _: unit.items.statuses(RUN_ID, first=2, limit=100), "item_pkey on item"),
    "lineage": (lambda unit, _: unit.lineage.spans(RUN_ID, first=2, last=100), "lineage_pkey on lineage"),
    "run": (lambda unit, _: unit.runs.get(RUN_ID), "run_pkey on run"),
    "save_run": (lambda unit, _: unit.runs.save(unit.runs.lock(RUN_ID)), "run_pkey on run"),
    "runs": (lambda unit, _: unit.runs.page(before=RUN_ID, limit=10), "run_by_age on run"),
    "add_batch": (lambda unit, _: unit.batches.add(example_batch()), "Insert on batch"),
    "lease_due": (
        lambda unit, _: unit.batches.lease_due(
            run_id=RUN_ID, owner="w", now=seconds_later(600), ttl=LEASE_TTL, limit=5
        ),
        "batch_due on batch",
    ),
    "hold": (lambda unit, batch: unit.batches.hold(batch, now=NOW, ttl=LEASE_TTL), "batch_pkey on batch"),
    "save_batch": (lambda unit, batch: unit.batches.save(batch), "batch_pkey on batch"),
    "open_batches": (lambda unit, _: unit.batches.open_batches(RUN_ID), "batch_due on batch"),
    "outlook": (lambda unit, _: unit.batches.outlook(RUN_ID), "batch_unsent on batch"),
    "holding": (lambda unit, batch: unit.items.holding(batch), "retry_bound on retry"),
    "due": (lambda unit, _: unit.retries.due(RUN_ID, now=seconds_later(5), limit=100), "retry_waiting on retry"),
    "bind": (lambda unit, batch: unit.retries.bind(RUN_ID, [3], batch_id=batch.batch_id), "on retry"),
    "bound": (lambda unit, batch: unit.retries.bound(batch), "retry_bound on retry"),
    "rebind": (lambda unit, batch: unit.retries.rebind(from_batch=batch, to_batch=batch), "retry_bound on retry"),
    "drop": (lambda unit, _: unit.retries.drop(RUN_ID, [2]), "on retry"),
    "next_due": (lambda unit, _: unit.retries.next_due(RUN_ID), "retry_waiting on retry"),
    "withdraw": (lambda unit, _: unit.results.withdraw(RUN_ID, error_class=None, limit=100), "result_failed on result"),
    "get": (lambda unit, _: unit.results.get(RUN_ID, [0, 1]), "result_by_item on result"),
    "by_index": (lambda unit, _: unit.results.by_index(RUN_ID, first=0, limit=100), "result_by_item on result"),
    "by_sequence": (
        lambda unit, _: unit.results.by_sequence(RUN_ID, after=0, limit=100),
        "result_pkey on result",
    ),
    "failures": (lambda unit, _: unit.results.failures(RUN_ID), "result_failed on result"),
    "artifacts": (lambda unit, _: unit.artifacts.of_run(RUN_ID), "artifact_of_run on artifact"),
    "artifact": (lambda unit, _: unit.artifacts.get([1, 2]), "artifact_pkey on artifact"),
    "events": (lambda unit, _: unit.events.read(RUN_ID, after=0, limit=100), "event_of_run on event"),
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_takes_its_index_and_does_not_sort(storage: PostgresStorage, name: str) -> None:
    step, index = HOT[name]
    plan = _plan(storage, step)
    assert [line for line in plan if "Seq Scan" in line or line.removeprefix("->").strip() == "Sort"] == []
    assert any(index in line for line in plan), plan
