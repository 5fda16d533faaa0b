"""Several workers on one run: each batch has one owner, no count is lost, and none waits for another's batch."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from batchor_core.domain.item import StatusCounts
from batchor_core.domain.results import StoredResult
from batchor_core.errors import DuplicateItemIdError, LeaseLostError, RunExistsError, StorageUnavailableError
from batchor_postgres import PostgresStorage
from batchor_testkit.state_examples import (
    LEASE_TTL,
    NOW,
    RUN_ID,
    example_batch,
    example_event,
    example_item,
    example_result,
    example_run,
    released,
)
from batchor_testkit.state_steps import begin_run, claim, start_run, submitted_batch

_HERE = Path(__file__).parent
_PROCESSES = 3
_BATCHES = 30
_PATIENCE_S = 30.0
_GLIMPSE_S = 0.3
"""Long enough for another thread to read, if it is going to."""

type MakeStorage = Callable[..., PostgresStorage]


def _worker(url: str, schema: str, owner: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(_HERE / "settle_batches.py"), schema, owner],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"BATCHOR_STORAGE_URL": url},
    )


def _claim_batches(storage: PostgresStorage, *, batches: int, size: int) -> list[int]:
    start_run(storage, items=batches * size)
    with storage.transaction() as unit:
        claimed = [released(claim(unit, fresh=size, batch_key=f"key-{number}")) for number in range(batches)]
        for batch in claimed:
            unit.batches.save(batch)
    return [batch.batch_id for batch in claimed]


def test_processes_settle_all_batches_of_a_run_without_a_double(
    storage: PostgresStorage, url: str, schema: str
) -> None:
    batch_ids = _claim_batches(storage, batches=_BATCHES, size=5)
    workers = [_worker(url, schema, f"worker-{number}") for number in range(_PROCESSES)]
    outputs = [worker.communicate()[0] for worker in workers]
    with storage.reading() as unit:
        run = unit.runs.get(RUN_ID)
        results = [StoredResult(*fields) for fields in unit.results.by_sequence(RUN_ID, after=0, limit=10_000)]
        recount = unit.items.recount(RUN_ID)
        fences = Counter(unit.batches.get(batch_id).lease.fence for batch_id in batch_ids)
    assert [worker.returncode for worker in workers] == [0] * _PROCESSES
    assert sum(map(int, outputs)) == _BATCHES
    assert fences == {2: _BATCHES}  # taken once by the claim and once by a worker
    assert [result.sequence for result in results] == list(range(1, 5 * _BATCHES + 1))
    assert run.counts == recount == StatusCounts(completed=5 * _BATCHES)


def test_a_worker_that_is_killed_in_a_transaction_holds_nothing_up(
    storage: PostgresStorage, url: str, schema: str
) -> None:
    _claim_batches(storage, batches=4, size=2)
    worker = subprocess.Popen(
        [sys.executable, str(_HERE / "settle_batches.py"), schema, "victim"],
        env=os.environ | {"BATCHOR_STORAGE_URL": url, "BATCHOR_FAILPOINT": "state.commit.before:3:kill"},
    )
    assert worker.wait() == -signal.SIGKILL
    later = storage.now(datetime.now(UTC)) + timedelta(seconds=61)
    with storage.transaction() as unit:
        leased = unit.batches.lease_due(run_id=RUN_ID, owner="heir", now=later, ttl=LEASE_TTL, limit=10)
    assert len(leased) == 4


def test_due_batches_that_another_transaction_holds_are_passed_by(
    storage: PostgresStorage, make_storage: MakeStorage
) -> None:
    first, second = _claim_batches(storage, batches=2, size=1)
    other = make_storage()
    with storage.transaction() as unit:
        unit.batches.hold(unit.batches.get(first), now=NOW, ttl=LEASE_TTL)
        with other.transaction() as beside:
            leased = beside.batches.lease_due(run_id=RUN_ID, owner="w", now=NOW, ttl=LEASE_TTL, limit=5)
    assert [batch.batch_id for batch in leased] == [second]


def test_what_is_added_to_a_locked_run_does_not_wait_for_it(
    storage: PostgresStorage, make_storage: MakeStorage
) -> None:
    start_run(storage, items=1)
    other = make_storage(timeout_s=2.0)
    with storage.transaction() as unit:
        unit.runs.lock(RUN_ID)
        with other.transaction() as beside:
            beside.events.append([example_event()])
            beside.batches.add(example_batch())
    with storage.reading() as unit:
        assert len(unit.events.read(RUN_ID, after=0, limit=9)) == len(unit.batches.open_batches(RUN_ID)) == 1


def test_two_that_added_to_a_run_and_then_lock_it_do_not_deadlock(
    storage: PostgresStorage, make_storage: MakeStorage
) -> None:
    start_run(storage, items=1)
    other = make_storage()

    def add_and_lock() -> None:
        with other.transaction() as beside:
            beside.events.append([example_event()])
            beside.runs.save(replace(beside.runs.lock(RUN_ID), batches=7))

    with ThreadPoolExecutor(1) as pool:
        with storage.transaction() as unit:
            unit.events.append([example_event(number=2)])
            unit.runs.save(replace(unit.runs.lock(RUN_ID), batches=6))
            waiting = pool.submit(add_and_lock)
        waiting.result(_PATIENCE_S)
    with storage.reading() as unit:
        assert unit.runs.get(RUN_ID).batches == 7


def test_open_batches_that_were_read_to_be_changed_wait_for_whoever_changes_them(
    storage: PostgresStorage, make_storage: MakeStorage
) -> None:
    batch = submitted_batch(storage, items=1)
    other, was_read = make_storage(), Event()

    def hurry() -> None:
        with other.transaction() as beside:
            batches = beside.batches.open_batches(RUN_ID)
            was_read.set()
            for found in batches:
                beside.batches.save(replace(found, next_due_at=NOW))

    with ThreadPoolExecutor(1) as pool:
        with storage.transaction() as unit:
            held = unit.batches.hold(batch, now=NOW, ttl=LEASE_TTL)
            waiting = pool.submit(hurry)
            assert not was_read.wait(_GLIMPSE_S)
            unit.batches.save(replace(held, looks=5))
        waiting.result(_PATIENCE_S)
    with storage.reading() as unit:
        assert unit.batches.get(batch.batch_id).looks == 5


def test_of_two_that_add_one_run_at_once_one_is_told(storage: PostgresStorage, make_storage: MakeStorage) -> None:
    other = make_storage()

    def add_too() -> None:
        with other.transaction() as beside:
            begin_run(beside)

    with ThreadPoolExecutor(1) as pool:
        with storage.transaction() as unit:
            unit.runs.add(example_run())
            waiting = pool.submit(add_too)
        with pytest.raises(RunExistsError):
            waiting.result(_PATIENCE_S)


def test_an_expired_lease_that_another_took_over_is_lost(storage: PostgresStorage, make_storage: MakeStorage) -> None:
    batch = submitted_batch(storage, items=1)
    later = NOW + LEASE_TTL
    with make_storage().transaction() as beside:
        assert beside.batches.lease_due(run_id=RUN_ID, owner="heir", now=later, ttl=LEASE_TTL, limit=1)
    with pytest.raises(LeaseLostError), storage.transaction() as unit:
        unit.batches.hold(batch, now=later, ttl=LEASE_TTL)


def test_a_lock_that_is_kept_too_long_can_be_tried_again(storage: PostgresStorage, make_storage: MakeStorage) -> None:
    start_run(storage, items=1)
    impatient = make_storage(timeout_s=0.4)
    with storage.transaction() as unit:
        unit.runs.lock(RUN_ID)
        with (
            pytest.raises(StorageUnavailableError, match="kept the database locked"),
            impatient.transaction() as beside,
        ):
            beside.runs.lock(RUN_ID)
    with impatient.transaction() as unit:
        assert unit.runs.lock(RUN_ID).run_id == RUN_ID


def test_a_duplicate_in_a_large_slice_is_named(storage: PostgresStorage) -> None:
    start_run(storage, items=3)
    rows = [example_item(index, segment_id=None) for index in range(3, 5_000)]
    rows[4_000] = rows[4_000]._replace(item_id="item-1")
    with pytest.raises(DuplicateItemIdError, match="item-1"), storage.transaction() as unit:
        unit.items.append(RUN_ID, rows)


def test_results_beside_a_second_answer_are_all_stored(storage: PostgresStorage) -> None:
    start_run(storage, items=5)
    with storage.transaction() as unit:
        unit.results.append(RUN_ID, [example_result(2, sequence=1)])
        rows = [example_result(index, sequence=index + 2) for index in range(5)]
        assert unit.results.append(RUN_ID, rows) == 4
        assert len(unit.results.by_index(RUN_ID, first=0, limit=9)) == 5
