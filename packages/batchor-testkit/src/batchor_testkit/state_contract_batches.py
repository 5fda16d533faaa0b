"""The contract of `BatchStore`: batches, and the leases on them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from batchor_core.domain.batch import BatchEvent, BatchRecord, LineFault
from batchor_core.domain.lease import Lease
from batchor_core.errors import BatchorError, LeaseLostError
from batchor_core.ports.state import StateStore, UnitOfWork
from batchor_testkit.state_contract_fixtures import StateContract, are_utc
from batchor_testkit.state_examples import (
    LEASE_TTL,
    NOW,
    RUN_ID,
    example_batch,
    example_result,
    released,
    seconds_later,
)
from batchor_testkit.state_steps import advance, start_run, submit, submitted_batch, waiting_retries


def _add(store: StateStore, batch: BatchRecord) -> BatchRecord:
    with store.transaction() as unit:
        return unit.batches.add(batch)


def _get(store: StateStore, batch: BatchRecord) -> BatchRecord:
    with store.reading() as unit:
        return unit.batches.get(batch.batch_id)


def _save(store: StateStore, batch: BatchRecord) -> None:
    with store.transaction() as unit:
        unit.batches.save(batch)


def _lease(
    store: StateStore, owner: str, *, now: datetime = NOW, limit: int = 10, run_id: str = RUN_ID
) -> list[BatchRecord]:
    with store.transaction() as unit:
        return list(unit.batches.lease_due(run_id=run_id, owner=owner, now=now, ttl=LEASE_TTL, limit=limit))


def _store_a_result_and(store: StateStore, step: Callable[[UnitOfWork], object]) -> None:
    with store.transaction() as unit:
        unit.results.append(RUN_ID, [example_result(0, sequence=1)])
        step(unit)


def _add_due_in(store: StateStore, *seconds: float) -> list[BatchRecord]:
    return [
        _add(store, example_batch(batch_key=f"key{second}", next_due_at=seconds_later(second))) for second in seconds
    ]


class BatchStoreContract(StateContract):
    def test_the_providers_ids_that_a_run_has_are_known(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=1)
        with store.transaction() as unit:
            unit.batches.save(replace(unit.batches.get(batch.batch_id), provider_batch_id="batch_a"))
        with store.reading() as unit:
            assert unit.batches.known(RUN_ID, ["batch_a", "batch_b"]) == {"batch_a"}
            assert unit.batches.known(RUN_ID, []) == frozenset()

    def test_an_intent_comes_back_with_an_id(self, store: StateStore) -> None:
        start_run(store)
        intent = example_batch(first=2, last=5, lease=Lease("w", seconds_later(60), 1))
        added = _add(store, intent)
        assert added == replace(intent, batch_id=added.batch_id)
        assert added.batch_id > 0
        assert _get(store, added) == added

    def test_every_batch_has_an_id_of_its_own(self, store: StateStore) -> None:
        start_run(store, run_id="one")
        start_run(store, run_id="two")
        added = [_add(store, example_batch(run_id)) for run_id in ("one", "two", "one")]
        assert len({batch.batch_id for batch in added}) == 3

    def test_a_batch_that_was_never_added_is_refused(self, store: StateStore) -> None:
        with pytest.raises(BatchorError), store.reading() as unit:
            unit.batches.get(4_711)

    def test_everything_of_a_batch_that_may_change_is_saved(self, store: StateStore) -> None:
        start_run(store)
        added = _add(store, example_batch())
        with store.transaction() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
        changed = replace(
            added.moved(BatchEvent.UPLOAD).moved(BatchEvent.SEND),
            next_due_at=seconds_later(90),
            lease=Lease("worker-1", seconds_later(60.5), 0),
            failures=3,
            input_file_id="file-in",
            sent_at=seconds_later(1),
            fenced_at=seconds_later(2),
            looks=2,
            provider_batch_id="batch_1",
            provider_status="scheduling",
            output_file_id="file-out",
            error_file_id="file-err",
            output_artifact_id=segment_id,
            error_artifact_id=segment_id,
            output_offset=6 * 10**9,
            error_offset=17,
            faults=(
                LineFault("invalid", 'line "2" is wrong: é', 2, "body.model"),
                LineFault(None, "queue full", None, None, transient=True),
            ),
            ended_at=seconds_later(3),
        )
        _save(store, changed)
        assert _get(store, added) == changed

    def test_what_was_set_can_be_cleared(self, store: StateStore) -> None:
        start_run(store)
        added = _add(store, example_batch(lease=Lease("w", NOW, 1)))
        _save(store, replace(added, input_file_id="file", sent_at=NOW, faults=(LineFault(None, "x"),), failures=2))
        _save(store, released(added))
        assert _get(store, added) == released(added)

    def test_times_of_a_batch_come_back_aware_in_utc_with_microseconds(self, store: StateStore) -> None:
        start_run(store)
        added = _add(store, example_batch(next_due_at=seconds_later(0.000_001), lease=Lease("w", NOW, 1)))
        _save(store, replace(added, sent_at=NOW, fenced_at=NOW, ended_at=NOW))
        batch = _get(store, added)
        times = (batch.created_at, batch.lease.until, batch.sent_at, batch.fenced_at, batch.ended_at, batch.next_due_at)
        assert times == (NOW, NOW, NOW, NOW, NOW, seconds_later(0.000_001))
        assert are_utc(*times)

    def test_open_batches_are_those_of_the_run_that_are_neither_collected_nor_abandoned(
        self, store: StateStore
    ) -> None:
        waiting_retries(store, items=1)
        start_run(store, run_id="other")
        with store.transaction() as unit:
            advance(unit, unit.batches.add(example_batch(batch_key="gone")), BatchEvent.ABANDON)
            first = unit.batches.add(example_batch(batch_key="b", next_due_at=seconds_later(9)))
            second = submit(unit, unit.batches.add(example_batch(batch_key="a", lease=Lease("w", NOW, 1))))
            ended = advance(unit, submit(unit, unit.batches.add(example_batch(batch_key="0"))), BatchEvent.END)
            unit.batches.add(example_batch("other"))
        with store.reading() as unit:
            assert list(unit.batches.open_batches(RUN_ID)) == [first, second, ended]

    @pytest.mark.parametrize(
        ("batches", "first_s"),
        [
            ([], None),
            ([(5, None)], 5),
            ([(9, None), (7, None), (8, None)], 7),
            ([(-5, None), (-9, None)], -9),
            ([(5, 60)], 60),
            ([(90, 60)], 90),
            ([(5, 60), (7, None)], 7),
            ([(5, 6), (7, None)], 6),
            ([(5, 60), (1, 50), (70, None)], 50),
            ([(5, 6), (7, None), (8, 9)], 6),
            ([(5, -6), (7, None)], 5),
        ],
    )
    def test_the_next_batch_is_due_when_the_first_can_be_taken(
        self, store: StateStore, batches: list[tuple[float, float | None]], first_s: float | None
    ) -> None:
        waiting_retries(store, items=1)
        start_run(store, run_id="other")
        _add(store, example_batch("other", next_due_at=seconds_later(-99)))
        for due_s, until_s in batches:
            lease = Lease() if until_s is None else Lease("w", seconds_later(until_s), 1)
            _add(store, example_batch(next_due_at=seconds_later(due_s), lease=lease))
        with store.reading() as unit:
            due_at = unit.batches.outlook(RUN_ID).due_at
        assert due_at == (None if first_s is None else seconds_later(first_s))
        assert are_utc(*filter(None, [due_at]))

    def test_batches_wait_to_be_sent_until_they_are_or_are_in_a_workers_hands(self, store: StateStore) -> None:
        start_run(store)
        start_run(store, run_id="other")
        with store.transaction() as unit:
            unit.batches.add(example_batch("other"))
            unit.batches.add(example_batch(lease=Lease("w", NOW, 1)))
            advance(unit, unit.batches.add(example_batch()), BatchEvent.ABANDON)
            submit(unit, unit.batches.add(example_batch()))
            assert unit.batches.outlook(RUN_ID).waiting_to_be_sent == 0
            waiting = unit.batches.add(example_batch())
            advance(unit, unit.batches.add(example_batch()), BatchEvent.UPLOAD)
            assert unit.batches.outlook(RUN_ID).waiting_to_be_sent == 2
            advance(unit, waiting, BatchEvent.UPLOAD, BatchEvent.SEND)
            assert unit.batches.outlook(RUN_ID).waiting_to_be_sent == 1


class BatchLeaseContract(StateContract):
    def test_a_due_batch_is_taken_with_a_lease_and_a_raised_fence(self, store: StateStore) -> None:
        start_run(store)
        added = _add(store, example_batch())
        (taken,) = _lease(store, "worker-1")
        assert taken == replace(added, lease=Lease("worker-1", NOW + LEASE_TTL, 1))
        assert _get(store, added) == taken

    def test_a_batch_is_due_from_its_very_instant_on(self, store: StateStore) -> None:
        start_run(store)
        _add_due_in(store, 1)
        assert _lease(store, "w", now=seconds_later(0.999_999)) == []
        assert len(_lease(store, "w", now=seconds_later(1))) == 1

    def test_a_live_lease_is_respected_even_by_its_owner(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        assert len(_lease(store, "worker-1")) == 1
        still_alive = NOW + LEASE_TTL - timedelta(microseconds=1)
        assert _lease(store, "worker-2", now=still_alive) == []
        assert _lease(store, "worker-1", now=still_alive) == []

    def test_an_expired_lease_is_taken_over_under_a_new_fence(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        _lease(store, "worker-1")
        (taken,) = _lease(store, "worker-2", now=NOW + LEASE_TTL)
        assert taken.lease == Lease("worker-2", NOW + 2 * LEASE_TTL, 2)

    def test_the_lease_of_an_intent_is_respected_from_the_beginning(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch(lease=Lease().taken("worker-1", now=NOW, ttl=LEASE_TTL)))
        assert _lease(store, "worker-2") == []
        assert _lease(store, "worker-2", now=NOW + LEASE_TTL)[0].lease.fence == 2

    def test_the_longest_due_batches_come_first_up_to_the_limit(self, store: StateStore) -> None:
        start_run(store)
        _add_due_in(store, -1, -3, 5, 0, -2)
        assert [batch.batch_key for batch in _lease(store, "w", limit=2)] == ["key-3", "key-2"]
        assert [batch.batch_key for batch in _lease(store, "w", limit=2)] == ["key-1", "key0"]
        assert _lease(store, "w") == []

    def test_leased_batches_take_nothing_of_the_limit(self, store: StateStore) -> None:
        start_run(store)
        _add_due_in(store, -3, -2, -1)
        _lease(store, "worker-1", limit=2)
        assert [batch.batch_key for batch in _lease(store, "worker-2", limit=2)] == ["key-1"]

    def test_only_batches_of_the_run_are_taken(self, store: StateStore) -> None:
        start_run(store, run_id="one")
        start_run(store, run_id="two")
        _add(store, example_batch("one"))
        assert _lease(store, "w", run_id="two") == []

    def test_only_open_batches_are_taken(self, store: StateStore) -> None:
        waiting_retries(store, items=1)
        with store.transaction() as unit:
            advance(unit, unit.batches.add(example_batch(batch_key="gone")), BatchEvent.ABANDON)
        assert _lease(store, "w", now=seconds_later(10**6)) == []

    @pytest.mark.parametrize("steps", range(6))
    def test_a_batch_is_taken_in_every_open_state(self, store: StateStore, steps: int) -> None:
        events = (BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.FENCE, BatchEvent.ACKNOWLEDGE, BatchEvent.END)
        start_run(store)
        with store.transaction() as unit:
            batch = advance(unit, unit.batches.add(example_batch()), *events[:steps])
        assert [taken.state for taken in _lease(store, "w")] == [batch.state]

    def test_holding_renews_the_lease_and_keeps_the_fence(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        (taken,) = _lease(store, "w")
        with store.transaction() as unit:
            held = unit.batches.hold(taken, now=seconds_later(100), ttl=LEASE_TTL)
        assert held == replace(taken, lease=Lease("w", seconds_later(100) + LEASE_TTL, 1))
        assert _get(store, taken) == held

    def test_holding_gives_the_batch_as_it_is_stored_now(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        (taken,) = _lease(store, "w")
        _save(store, replace(taken, failures=4, provider_status="validating"))
        with store.transaction() as unit:
            held = unit.batches.hold(taken, now=NOW, ttl=LEASE_TTL)
        assert (held.failures, held.provider_status) == (4, "validating")

    def test_an_expired_lease_that_nobody_took_can_be_held_and_saved(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        (taken,) = _lease(store, "w")
        late = NOW + 10 * LEASE_TTL
        _save(store, replace(taken, failures=1))
        with store.transaction() as unit:
            assert unit.batches.hold(taken, now=late, ttl=LEASE_TTL).lease.until == late + LEASE_TTL

    def test_a_stale_hold_is_refused_and_its_transaction_writes_nothing(self, store: StateStore) -> None:
        start_run(store, items=1)
        _add(store, example_batch())
        (stale,) = _lease(store, "worker-1")
        (taken,) = _lease(store, "worker-2", now=NOW + LEASE_TTL)
        with pytest.raises(LeaseLostError, match=str(stale.batch_id)):
            _store_a_result_and(store, lambda unit: unit.batches.hold(stale, now=NOW + 2 * LEASE_TTL, ttl=LEASE_TTL))
        assert _get(store, taken) == taken
        with store.reading() as unit:
            assert list(unit.results.by_index(RUN_ID, first=0, limit=1)) == []

    def test_a_stale_save_is_refused_and_its_transaction_writes_nothing(self, store: StateStore) -> None:
        start_run(store, items=1)
        _add(store, example_batch())
        (stale,) = _lease(store, "worker-1")
        (taken,) = _lease(store, "worker-2", now=NOW + LEASE_TTL)
        with pytest.raises(LeaseLostError):
            _store_a_result_and(store, lambda unit: unit.batches.save(released(stale.moved(BatchEvent.UPLOAD))))
        assert _get(store, taken) == taken
        with store.reading() as unit:
            assert list(unit.results.by_index(RUN_ID, first=0, limit=1)) == []

    def test_a_fence_from_the_future_is_refused(self, store: StateStore) -> None:
        start_run(store)
        added = _add(store, example_batch())
        with pytest.raises(LeaseLostError):
            _save(store, replace(added, lease=Lease("w", NOW, 7)))

    def test_a_released_batch_is_free_at_once_and_its_fence_goes_on(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        (taken,) = _lease(store, "worker-1")
        _save(store, released(taken))
        (again,) = _lease(store, "worker-2")
        assert again.lease == Lease("worker-2", NOW + LEASE_TTL, 2)

    def test_a_released_batch_waits_for_its_due_time(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        (taken,) = _lease(store, "worker-1")
        _save(store, released(taken, next_due_at=seconds_later(30)))
        assert _lease(store, "worker-2", now=seconds_later(29)) == []
        assert len(_lease(store, "worker-2", now=seconds_later(30))) == 1

    def test_a_late_heartbeat_does_not_occupy_a_released_batch(self, store: StateStore) -> None:
        start_run(store)
        _add(store, example_batch())
        (taken,) = _lease(store, "worker-1")
        _save(store, released(taken))
        with suppress(LeaseLostError), store.transaction() as unit:
            unit.batches.hold(taken, now=NOW, ttl=LEASE_TTL)
        assert len(_lease(store, "worker-2")) == 1
