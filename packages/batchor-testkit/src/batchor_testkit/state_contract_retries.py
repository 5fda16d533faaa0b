"""The contract of `RetryStore`."""

from datetime import datetime

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.retry import RetryRow
from batchor_core.ports.state import StateStore
from batchor_core.ports.state_records import Member
from batchor_testkit.state_contract_fixtures import StateContract, are_utc
from batchor_testkit.state_examples import NOW, REQUEST_BYTES, RUN_ID, example_batch, seconds_later
from batchor_testkit.state_steps import Verdict, claim, settle, start_run, submitted_batch

_LARGE = 50_000


def _retry(index: int, *, due_in_s: float = 0, attempts_used: int = 1) -> RetryRow:
    return RetryRow(index, attempts_used, 0, seconds_later(due_in_s), "empty")


def _put(store: StateStore, *rows: RetryRow, run_id: str = RUN_ID) -> None:
    with store.transaction() as unit:
        unit.retries.put(run_id, rows)


def _bound_batch(store: StateStore, *indexes: int) -> BatchRecord:
    with store.transaction() as unit:
        batch = unit.batches.add(example_batch())
        unit.retries.bind(RUN_ID, indexes, batch_id=batch.batch_id)
    return batch


def _due(store: StateStore, *, now: datetime = NOW, limit: int = 100, run_id: str = RUN_ID) -> list[int]:
    with store.reading() as unit:
        return [ref.item_index for ref in unit.retries.due(run_id, now=now, limit=limit)]


def _next_due(store: StateStore) -> datetime | None:
    with store.reading() as unit:
        return unit.retries.next_due(RUN_ID)


def _bound(store: StateStore, batch: BatchRecord) -> list[int]:
    with store.reading() as unit:
        return [ref.item_index for ref in unit.retries.bound(batch)]


class RetryStoreContract(StateContract):
    def test_due_retries_come_with_their_requests(self, store: StateStore) -> None:
        start_run(store, items=3)
        _put(store, _retry(2))
        with store.reading() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
            due = unit.retries.due(RUN_ID, now=NOW, limit=9)
        assert [tuple(ref) for ref in due] == [(2, segment_id, 2 * REQUEST_BYTES, REQUEST_BYTES, 3)]

    def test_a_retry_is_due_from_its_very_instant_on(self, store: StateStore) -> None:
        start_run(store, items=1)
        _put(store, _retry(0, due_in_s=1))
        assert _due(store, now=seconds_later(0.999_999)) == []
        assert _due(store, now=seconds_later(1)) == [0]

    def test_the_longest_due_retries_come_first_up_to_the_limit(self, store: StateStore) -> None:
        start_run(store, items=5)
        _put(store, *(_retry(index, due_in_s=due) for index, due in enumerate([-1, -3, 5, 0, -2])))
        assert _due(store, limit=3) == [1, 4, 0]
        assert _due(store) == [1, 4, 0, 3]

    def test_a_later_put_can_be_due_earlier(self, store: StateStore) -> None:
        start_run(store, items=3)
        _put(store, _retry(0, due_in_s=-1))
        _put(store, _retry(1, due_in_s=-9), _retry(2, due_in_s=-5))
        assert _due(store) == [1, 2, 0]

    def test_put_replaces_the_row_of_an_item(self, store: StateStore) -> None:
        start_run(store, items=2)
        _put(store, _retry(0, due_in_s=-5), _retry(1, due_in_s=-3))
        _put(store, _retry(0, due_in_s=60))
        assert _due(store) == [1]
        assert _due(store, now=seconds_later(60)) == [1, 0]

    def test_put_replaces_what_was_spent(self, store: StateStore) -> None:
        start_run(store, items=1)
        _put(store, RetryRow(0, 1, 0, NOW, "empty"))
        _put(store, RetryRow(0, 2, 3, NOW, "not_run"))
        batch = _bound_batch(store, 0)
        with store.reading() as unit:
            assert list(unit.items.holding(batch).members()) == [Member(0, 2, 3)]

    def test_bound_retries_wait_no_more(self, store: StateStore) -> None:
        start_run(store, items=3)
        _put(store, _retry(0, due_in_s=-5), _retry(1, due_in_s=-3), _retry(2, due_in_s=-1))
        batch = _bound_batch(store, 0, 2)
        assert _due(store) == [1]
        assert _bound(store, batch) == [0, 2]

    def test_bound_retries_come_by_index_with_their_requests(self, store: StateStore) -> None:
        start_run(store, items=3)
        _put(store, _retry(0, due_in_s=-1), _retry(1, due_in_s=-5), _retry(2, due_in_s=-3))
        batch = _bound_batch(store, 1, 2, 0)
        with store.reading() as unit:
            bound = unit.retries.bound(batch)
        assert [(ref.item_index, ref.offset) for ref in bound] == [(0, 0), (1, REQUEST_BYTES), (2, 2 * REQUEST_BYTES)]

    def test_a_batch_without_retries_has_none_bound(self, store: StateStore) -> None:
        assert _bound(store, submitted_batch(store, items=2)) == []

    def test_put_takes_an_item_out_of_the_batch_that_held_its_retry(self, store: StateStore) -> None:
        start_run(store, items=2)
        _put(store, _retry(0), _retry(1))
        batch = _bound_batch(store, 0, 1)
        _put(store, _retry(0, attempts_used=2))
        assert _bound(store, batch) == [1]
        assert _due(store) == [0]

    def test_all_retries_go_to_the_successor(self, store: StateStore) -> None:
        start_run(store, items=3)
        _put(store, _retry(0), _retry(1), _retry(2))
        batch, other = _bound_batch(store, 0, 1), _bound_batch(store, 2)
        with store.transaction() as unit:
            successor = unit.batches.add(example_batch())
            unit.retries.rebind(from_batch=batch, to_batch=successor)
        assert (_bound(store, batch), _bound(store, successor), _bound(store, other)) == ([], [0, 1], [2])

    def test_a_batch_without_retries_gives_none_to_its_successor(self, store: StateStore) -> None:
        start_run(store, items=1)
        _put(store, _retry(0))
        with store.transaction() as unit:
            batch, successor = (unit.batches.add(example_batch()) for _ in range(2))
            unit.retries.rebind(from_batch=batch, to_batch=successor)
        assert (_bound(store, successor), _due(store)) == ([], [0])

    def test_drop_removes_waiting_and_bound_rows(self, store: StateStore) -> None:
        start_run(store, items=4)
        _put(store, *map(_retry, range(4)))
        batch = _bound_batch(store, 0, 1)
        with store.transaction() as unit:
            unit.retries.drop(RUN_ID, {1, 2})
        assert (_bound(store, batch), _due(store)) == ([0], [3])

    def test_drop_passes_over_items_without_a_row(self, store: StateStore) -> None:
        start_run(store, items=2)
        _put(store, _retry(0))
        with store.transaction() as unit:
            unit.retries.drop(RUN_ID, [1, 99])
        assert _due(store) == [0]

    def test_a_dropped_item_belongs_to_its_range_again(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=2)
        with store.transaction() as unit:
            settle(unit, batch, {0: Verdict.RETRY})
            unit.retries.drop(RUN_ID, [0])
            assert [member.item_index for member in unit.items.holding(batch).members()] == [0, 1]

    def test_an_item_whose_bound_retry_is_dropped_belongs_to_its_range_again(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=2)
        with store.transaction() as unit:
            settle(unit, batch, {0: Verdict.RETRY})
            other = claim(unit, retries=1)
            unit.retries.drop(RUN_ID, [0])
            assert [member.item_index for member in unit.items.holding(batch).members()] == [0, 1]
            assert list(unit.items.holding(other).members()) == []

    def test_nothing_is_due_next_without_retries(self, store: StateStore) -> None:
        start_run(store, items=1)
        assert _next_due(store) is None

    def test_the_next_retry_is_the_earliest_that_is_unbound(self, store: StateStore) -> None:
        start_run(store, items=3)
        _put(store, _retry(0, due_in_s=-7), _retry(1, due_in_s=60.000_001), _retry(2, due_in_s=90))
        assert _next_due(store) == seconds_later(-7)
        _bound_batch(store, 0)
        following = _next_due(store)
        assert following == seconds_later(60.000_001)
        assert are_utc(following)

    def test_nothing_is_due_next_once_all_are_bound(self, store: StateStore) -> None:
        start_run(store, items=1)
        _put(store, _retry(0))
        _bound_batch(store, 0)
        assert _next_due(store) is None

    def test_retries_of_another_run_are_not_touched(self, store: StateStore) -> None:
        start_run(store, items=1)
        start_run(store, items=1, run_id="other")
        _put(store, _retry(0))
        _put(store, _retry(0, due_in_s=-9), run_id="other")
        with store.transaction() as unit:
            unit.retries.drop("other", [0])
        assert (_due(store), _due(store, run_id="other"), _next_due(store)) == ([0], [], NOW)

    def test_empty_lists_change_nothing(self, store: StateStore) -> None:
        start_run(store, items=1)
        _put(store, _retry(0))
        batch = _bound_batch(store)
        with store.transaction() as unit:
            unit.retries.put(RUN_ID, [])
            unit.retries.drop(RUN_ID, [])
        assert (_due(store), _bound(store, batch)) == ([0], [])

    def test_fifty_thousand_retries_are_put_bound_moved_and_dropped(self, store: StateStore) -> None:
        start_run(store, items=_LARGE)
        indexes = range(_LARGE)
        _put(store, *map(_retry, indexes))
        assert sorted(_due(store, limit=_LARGE)) == list(indexes)
        batch = _bound_batch(store, *indexes)
        with store.transaction() as unit:
            successor = unit.batches.add(example_batch())
            unit.retries.rebind(from_batch=batch, to_batch=successor)
        assert len(_bound(store, successor)) == _LARGE
        with store.transaction() as unit:
            unit.retries.drop(RUN_ID, indexes)
        assert (_bound(store, successor), _next_due(store)) == ([], None)
