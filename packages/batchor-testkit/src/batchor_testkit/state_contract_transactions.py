"""The contract of `StateStore` itself: transactions, readings, threads, and what outlives them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from batchor_core.domain.batch import BatchEvent, BatchRecord
from batchor_core.domain.item import StatusCounts
from batchor_core.errors import BatchorError, RunNotFoundError
from batchor_core.failpoints import InjectedCrash
from batchor_core.ports.state import StateStore, UnitOfWork
from batchor_testkit.state_contract_fixtures import StateContract
from batchor_testkit.state_examples import (
    LEASE_TTL,
    NOW,
    RUN_ID,
    example_batch,
    example_event,
    example_run,
    example_segment,
    seconds_later,
)
from batchor_testkit.state_image import RunImage, run_ids, run_image
from batchor_testkit.state_steps import Verdict, abandon, advance, begin_run, claim, ingest, settle, start_run, submit

_PATIENCE_S = 30.0
_GLIMPSE_S = 0.3
"""Long enough for another thread to run, if it is going to."""


def _a_busy_run(store: StateStore) -> None:
    """A run with facts in every store: results, waiting and bound retries, open and ended batches."""
    start_run(store, items=9, rejected={4})
    with store.transaction() as unit:
        first = submit(unit, claim(unit, fresh=4))
        verdicts = {0: Verdict.SUCCEED, 1: Verdict.REJECT, 2: Verdict.RETRY, 3: Verdict.DEFER}
        settle(unit, first, verdicts)
        advance(unit, first, BatchEvent.END, BatchEvent.COLLECT)
        claim(unit, retries=1, fresh=1, now=seconds_later(1))
        abandon(unit, claim(unit, fresh=1))
        unit.events.append([example_event()])


def _touch_everything(unit: UnitOfWork) -> None:
    """Write through every writing method of the port."""
    ingest(unit, 3)
    begin_run(unit, "another")
    for batch in unit.batches.open_batches(RUN_ID):
        submitted = submit(unit, batch)
        members = unit.items.holding(submitted).members()
        settle(unit, submitted, {member.item_index: Verdict.SUCCEED for member in members})
        advance(unit, submitted, BatchEvent.END, BatchEvent.COLLECT)
    held = abandon(unit, claim(unit, fresh=1, retries=9, now=seconds_later(60)))
    unit.batches.lease_due(run_id=RUN_ID, owner="w", now=seconds_later(60), ttl=LEASE_TTL, limit=9)
    unit.batches.hold(unit.batches.get(held.batch_id), now=NOW, ttl=LEASE_TTL)
    for artifact in unit.artifacts.of_run(RUN_ID):
        unit.artifacts.save(replace(artifact, state="pruned", size_bytes=1))
    unit.artifacts.add(example_segment(number=2))
    unit.events.append([example_event(number=2)])
    run = unit.runs.get(RUN_ID)
    unit.runs.save(replace(run, control_reason="quota", finished_at=NOW))


def _image(store: StateStore) -> tuple[list[str], RunImage]:
    with store.reading() as unit:
        return run_ids(unit), run_image(unit, RUN_ID)


def _exists(store: StateStore, run_id: str) -> bool:
    with store.reading() as unit:
        return run_id in run_ids(unit)


def _count_up(store: StateStore, times: int) -> None:
    for _ in range(times):
        with store.transaction() as unit:
            run = unit.runs.lock(RUN_ID)
            unit.events.append([example_event(number=run.batches)])
            unit.runs.save(replace(run, counts=run.counts.accept(1), batches=run.batches + 1))


def _lease_all(store: StateStore, owner: str) -> list[BatchRecord]:
    mine: list[BatchRecord] = []
    while True:
        with store.transaction() as unit:
            taken = unit.batches.lease_due(run_id=RUN_ID, owner=owner, now=NOW, ttl=LEASE_TTL, limit=3)
        if not taken:
            return mine
        assert not {batch.batch_id for batch in mine} & {batch.batch_id for batch in taken}, "taken twice by one owner"
        mine += taken


def _write(store: StateStore, step: Callable[[UnitOfWork], object], *, failure: BaseException) -> None:
    with store.transaction() as unit:
        step(unit)
        raise failure


class TransactionContract(StateContract):
    def test_a_transaction_sees_its_own_writes(self, store: StateStore) -> None:
        with store.transaction() as unit:
            begin_run(unit)
            ingest(unit, 2)
            assert unit.items.recount(RUN_ID) == StatusCounts(pending=2)

    def test_what_is_committed_is_read_afterwards(self, store: StateStore) -> None:
        with store.transaction() as unit:
            begin_run(unit)
            written = run_image(unit, RUN_ID)
        assert _image(store) == ([RUN_ID], written)

    @pytest.mark.parametrize(
        "failure", [ValueError("no"), BatchorError("no"), KeyboardInterrupt(), InjectedCrash("here"), SystemExit(1)]
    )
    def test_a_transaction_that_raises_is_undone_in_every_store(
        self, store: StateStore, failure: BaseException
    ) -> None:
        _a_busy_run(store)
        before = _image(store)
        with pytest.raises(type(failure)):
            _write(store, _touch_everything, failure=failure)
        assert _image(store) == before

    def test_the_same_writes_succeed_after_they_were_undone(self, store: StateStore) -> None:
        _a_busy_run(store)
        with pytest.raises(InjectedCrash):
            _write(store, _touch_everything, failure=InjectedCrash("here"))
        with store.transaction() as unit:
            _touch_everything(unit)
        runs, image = _image(store)
        assert sorted(runs) == sorted(["another", RUN_ID])
        assert image.recount == image.run.counts

    def test_the_error_of_the_block_arrives_unchanged(self, store: StateStore) -> None:
        failure = ValueError("the caller's own")
        with pytest.raises(ValueError, match="the caller's own") as caught:
            _write(store, begin_run, failure=failure)
        assert caught.value is failure

    def test_writes_in_a_reading_are_refused_or_undone(self, store: StateStore) -> None:
        _a_busy_run(store)
        before = _image(store)
        try:
            with store.reading() as unit:
                _touch_everything(unit)
        except BatchorError:
            pass
        assert _image(store) == before

    def test_a_transaction_inside_a_transaction_is_refused(self, store: StateStore) -> None:
        with store.transaction() as unit:
            begin_run(unit)
            with pytest.raises(BatchorError), store.transaction():
                pass
        assert _exists(store, RUN_ID)

    def test_a_store_is_usable_after_a_refused_reading(self, store: StateStore) -> None:
        with pytest.raises(RunNotFoundError), store.reading() as unit:
            unit.runs.get("nobody")
        start_run(store, items=1)
        assert _exists(store, RUN_ID)

    def test_the_time_of_leases_is_aware(self, store: StateStore) -> None:
        assert store.now(NOW).utcoffset() is not None

    def test_the_artifact_root_is_a_folder_or_none(self, store: StateStore) -> None:
        assert store.artifact_root is None or isinstance(store.artifact_root, Path)

    def test_committed_facts_are_there_when_the_store_is_opened_again(self, store: StateStore) -> None:
        _a_busy_run(store)
        before = _image(store)
        assert _image(self.reopen(store)) == before

    def test_a_store_that_was_opened_again_goes_on_where_it_was(self, store: StateStore) -> None:
        _a_busy_run(store)
        reopened = self.reopen(store)
        with reopened.transaction() as unit:
            _touch_everything(unit)
        image = _image(reopened)[1]
        assert image.recount == image.run.counts


class ConcurrentReadersContract(StateContract):
    """For stores in which reading goes on beside a write; a store that several processes share has to be one."""

    def test_a_reader_waits_for_no_writer(self, store: StateStore) -> None:
        start_run(store, items=1)
        with ThreadPoolExecutor(1) as pool, store.transaction() as unit:
            ingest(unit, 1)
            _, image = pool.submit(_image, store).result(_PATIENCE_S)
        assert len(image.statuses) == 1


class ThreadsContract(StateContract):
    def test_no_thread_sees_what_another_has_not_committed(self, store: StateStore) -> None:
        written, looked = Event(), Event()

        def write_and_fail(unit: UnitOfWork) -> None:
            unit.runs.add(example_run())
            written.set()
            # A store whose readers wait for writers lets nobody look before this transaction ends.
            looked.wait(_GLIMPSE_S)

        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(_write, store, write_and_fail, failure=ValueError("undone"))
            assert written.wait(_PATIENCE_S)
            seen = _exists(store, RUN_ID)
            looked.set()
            assert isinstance(writer.exception(_PATIENCE_S), ValueError)
        assert not seen

    def test_a_reading_stays_as_it_was_while_others_write(self, store: StateStore) -> None:
        start_run(store, items=1)
        with ThreadPoolExecutor(1) as pool:
            with store.reading() as unit:
                before = run_image(unit, RUN_ID)
                writer = pool.submit(_count_up, store, 1)
                # Either the writer waits for this reading, or it commits beside it unseen.
                Event().wait(_GLIMPSE_S)
                assert run_image(unit, RUN_ID) == before
            writer.result(_PATIENCE_S)
        assert _image(store)[1].run.batches == 1

    def test_four_threads_lose_no_count(self, store: StateStore) -> None:
        start_run(store)
        with ThreadPoolExecutor(4) as pool:
            for worker in [pool.submit(_count_up, store, 25) for _ in range(4)]:
                worker.result(_PATIENCE_S)
        _, image = _image(store)
        assert (image.run.counts.pending, image.run.batches, len(image.events)) == (100, 100, 100)
        assert [event.data["number"] for event in image.events] == list(range(100))

    def test_four_threads_store_their_slices_one_behind_the_other(self, store: StateStore) -> None:
        start_run(store)

        def ingest_ten_times() -> None:
            for _ in range(10):
                with store.transaction() as unit:
                    ingest(unit, 3)

        with ThreadPoolExecutor(4) as pool:
            for worker in [pool.submit(ingest_ten_times) for _ in range(4)]:
                worker.result(_PATIENCE_S)
        _, image = _image(store)
        assert [index for index, _ in image.statuses] == list(range(120))
        assert image.recount == image.run.counts

    def test_four_threads_never_lease_one_batch_twice(self, store: StateStore) -> None:
        start_run(store)
        with store.transaction() as unit:
            added = [unit.batches.add(example_batch()) for number in range(40)]
        with ThreadPoolExecutor(4) as pool:
            workers = [pool.submit(_lease_all, store, f"worker-{number}") for number in range(4)]
            taken = [batch.batch_id for worker in workers for batch in worker.result(_PATIENCE_S)]
        assert sorted(taken) == [batch.batch_id for batch in added]
