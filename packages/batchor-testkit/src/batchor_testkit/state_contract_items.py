"""The contract of `ItemStore`, and of the status that follows from the facts."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest

from batchor_core.domain.batch import BatchEvent
from batchor_core.domain.chunking import Extent, extent_of
from batchor_core.domain.item import TRANSITIONS, ItemStatus, StatusCounts
from batchor_core.domain.results import StoredResult
from batchor_core.errors import DuplicateItemIdError
from batchor_core.ports.state import StateStore, UnitOfWork
from batchor_core.ports.state_records import ItemRow, RowColumns
from batchor_testkit.state_contract_fixtures import StateContract
from batchor_testkit.state_examples import (
    NOW,
    REQUEST_BYTES,
    RUN_ID,
    example_failure,
    example_item,
    example_items,
    example_result,
    seconds_later,
)
from batchor_testkit.state_steps import (
    Verdict,
    abandon,
    advance,
    begin_run,
    claim,
    ingest,
    settle,
    start_run,
    submit,
    submitted_batch,
    waiting_retries,
)

PENDING, QUEUED, SUBMITTED = ItemStatus.PENDING, ItemStatus.QUEUED_LOCAL, ItemStatus.SUBMITTED
COMPLETED, RETRYABLE, FAILED = ItemStatus.COMPLETED, ItemStatus.FAILED_RETRYABLE, ItemStatus.FAILED_PERMANENT

_LARGE = 50_000
_LONG_ID = "".join(sha256(b"%d" % block).hexdigest() for block in range(160))
"""10,240 characters that no compression makes short."""

_IDS = [
    "plain",
    "Plain",
    "plain ",
    " plain",
    "",
    'O\'Brien "quoted" `x`; DROP TABLE item; --',
    "back\\slash %s {0} :name ?1",
    "two\nlines\r\nand\ttabs",
    "é",
    "e\u0301",
    "😀 \u2028 \u202e",
    _LONG_ID,
    _LONG_ID + "x",
]


def _statuses(unit: UnitOfWork) -> list[ItemStatus]:
    return [status for _, status in unit.items.statuses(RUN_ID, first=0, limit=1_000)]


def _reachable(status: ItemStatus) -> set[ItemStatus]:
    reached, edge = {status}, {status}
    while edge:
        edge = {target for (source, _), target in TRANSITIONS.items() if source in edge} - reached
        reached |= edge
    return reached


def _after(store: StateStore, step: Callable[[UnitOfWork], object]) -> list[ItemStatus]:
    """The statuses after *step*, which must have followed the table, and left counters that a recount confirms."""
    with store.transaction() as unit:
        before = _statuses(unit)
        step(unit)
    with store.reading() as unit:
        after = _statuses(unit)
        assert unit.items.recount(RUN_ID) == unit.runs.get(RUN_ID).counts
    assert all(new in _reachable(old) for old, new in zip(before, after, strict=False))
    assert set(after[len(before) :]) <= {PENDING, FAILED}
    return after


class ItemStoreContract(StateContract):
    def test_a_page_of_items_comes_back_as_they_were_stored(self, store: StateStore) -> None:
        start_run(store, items=5, rejected=[2])
        with store.transaction() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
            page = unit.items.page(RUN_ID, first=1, limit=3)
        assert list(page) == [
            example_item(1, segment_id=segment_id),
            example_item(2, segment_id=None),
            example_item(3, segment_id=segment_id),
        ]

    def test_append_tells_how_many_items_it_stored(self, store: StateStore) -> None:
        start_run(store)
        with store.transaction() as unit:
            assert unit.items.append(RUN_ID, example_items(0, 3, segment_id=None)) == 3
            assert unit.items.append(RUN_ID, []) == 0

    def test_items_kept_by_columns_are_stored_as_their_rows_are(self, store: StateStore) -> None:
        start_run(store)
        rows = example_items(0, 3, segment_id=None)
        with store.transaction() as unit:
            assert unit.items.append(RUN_ID, RowColumns(ItemRow)) == 0
            assert unit.items.append(RUN_ID, RowColumns(ItemRow, rows)) == 3
        with store.reading() as unit:
            assert list(unit.items.page(RUN_ID, first=0, limit=9)) == rows

    def test_requests_come_back_as_they_were_appended(self, store: StateStore) -> None:
        start_run(store, items=2)
        with store.reading() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
            requests = unit.items.requests(RUN_ID, first=0, limit=10)
        assert [tuple(ref) for ref in requests] == [
            (0, segment_id, 0, REQUEST_BYTES, 1),
            (1, segment_id, REQUEST_BYTES, REQUEST_BYTES, 2),
        ]

    def test_requests_begin_at_first_and_end_at_the_limit(self, store: StateStore) -> None:
        start_run(store, items=9)
        with store.reading() as unit:
            assert [ref.item_index for ref in unit.items.requests(RUN_ID, first=3, limit=4)] == [3, 4, 5, 6]
            assert [ref.item_index for ref in unit.items.requests(RUN_ID, first=7, limit=4)] == [7, 8]
            assert list(unit.items.requests(RUN_ID, first=9, limit=4)) == []

    def test_requests_leave_out_items_that_cannot_be_sent_without_counting_them(self, store: StateStore) -> None:
        start_run(store, items=6, rejected={0, 2, 3})
        with store.reading() as unit:
            assert [ref.item_index for ref in unit.items.requests(RUN_ID, first=0, limit=2)] == [1, 4]

    def test_requests_are_given_whatever_became_of_the_item(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=3)
        with store.transaction() as unit:
            settle(unit, batch, {0: Verdict.SUCCEED, 1: Verdict.RETRY})
            assert [ref.item_index for ref in unit.items.requests(RUN_ID, first=0, limit=9)] == [0, 1, 2]

    @pytest.mark.parametrize("rejected", [(), (0,), (4,), (3, 5), (0, 1, 2), range(9)])
    @pytest.mark.parametrize("first", [0, 3, 8, 9])
    @pytest.mark.parametrize("limit", [1, 4, 50])
    def test_an_extent_is_the_requests_taken_together(
        self, store: StateStore, rejected: Sequence[int], first: int, limit: int
    ) -> None:
        start_run(store, items=9, rejected=rejected)
        with store.reading() as unit:
            requests = unit.items.requests(RUN_ID, first=first, limit=limit)
            assert unit.items.extent(RUN_ID, first=first, limit=limit) == extent_of(requests, first=first)

    def test_an_extent_adds_up_what_is_behind_four_gigabytes(self, store: StateStore) -> None:
        start_run(store)
        with store.transaction() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
            large = [
                example_item(index, segment_id=segment_id)._replace(offset=index * 3 * 10**9, length=3 * 10**9)
                for index in range(2)
            ]
            unit.items.append(RUN_ID, large)
            extent = unit.items.extent(RUN_ID, first=0, limit=2)
        assert extent == Extent(2, 2, 6 * 10**9, 3)

    def test_byte_ranges_of_requests_behind_four_gigabytes_are_kept(self, store: StateStore) -> None:
        start_run(store)
        with store.transaction() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
            unit.items.append(RUN_ID, [example_item(0, segment_id=segment_id)._replace(offset=5 * 10**9)])
            assert unit.items.requests(RUN_ID, first=0, limit=1)[0].offset == 5 * 10**9

    def test_an_id_is_unique_within_one_slice(self, store: StateStore) -> None:
        start_run(store)
        twins = [example_item(index, segment_id=None, item_id="twin") for index in range(2)]
        with pytest.raises(DuplicateItemIdError, match="twin") as caught, store.transaction() as unit:
            unit.items.append(RUN_ID, twins)
        assert caught.value.item_id == "twin"
        with store.reading() as unit:
            assert list(unit.items.statuses(RUN_ID, first=0, limit=9)) == []

    def test_an_id_is_unique_among_many(self, store: StateStore) -> None:
        start_run(store)
        items = [*example_items(0, 110, segment_id=None), example_item(110, segment_id=None, item_id="item-7")]
        with pytest.raises(DuplicateItemIdError, match="item-7") as caught, store.transaction() as unit:
            unit.items.append(RUN_ID, items)
        assert caught.value.item_id == "item-7"

    def test_an_id_is_unique_across_slices(self, store: StateStore) -> None:
        start_run(store, items=5)
        with pytest.raises(DuplicateItemIdError, match="item-3") as caught, store.transaction() as unit:
            unit.items.append(
                RUN_ID, [example_item(5, segment_id=None), example_item(6, segment_id=None, item_id="item-3")]
            )
        assert caught.value.item_id == "item-3"
        with store.reading() as unit:
            assert len(unit.items.statuses(RUN_ID, first=0, limit=99)) == 5

    def test_the_slice_that_held_a_duplicate_can_be_appended_once_it_is_corrected(self, store: StateStore) -> None:
        start_run(store, items=5)
        with pytest.raises(DuplicateItemIdError), store.transaction() as unit:
            unit.items.append(
                RUN_ID, [example_item(5, segment_id=None), example_item(6, segment_id=None, item_id="item-3")]
            )
        with store.transaction() as unit:
            assert unit.items.append(RUN_ID, example_items(5, 7, segment_id=None)) == 2

    def test_two_runs_may_have_items_of_one_id(self, store: StateStore) -> None:
        start_run(store, items=2, run_id="one")
        start_run(store, items=2, run_id="two")
        with store.reading() as unit:
            assert len(unit.items.requests("two", first=0, limit=9)) == 2

    def test_ids_of_any_text_are_told_apart_and_come_back(self, store: StateStore) -> None:
        start_run(store)
        rows = [example_item(index, segment_id=None, item_id=item_id) for index, item_id in enumerate(_IDS)]
        results = [example_failure(index, sequence=index + 1) for index in range(len(_IDS))]
        with store.transaction() as unit:
            unit.items.append(RUN_ID, rows)
            unit.results.append(RUN_ID, results)
        with store.reading() as unit:
            stored = unit.results.by_index(RUN_ID, first=0, limit=99)
        assert [StoredResult(*fields).item_id for fields in stored] == _IDS

    @pytest.mark.parametrize("item_id", _IDS)
    def test_an_id_of_any_text_is_taken_once(self, store: StateStore, item_id: str) -> None:
        start_run(store)
        with store.transaction() as unit:
            unit.items.append(RUN_ID, [example_item(0, segment_id=None, item_id=item_id)])
        with pytest.raises(DuplicateItemIdError), store.transaction() as unit:
            unit.items.append(RUN_ID, [example_item(1, segment_id=None, item_id=item_id)])

    @pytest.mark.parametrize("metadata", [None, "{}", "null", '{"a": "é 😀 \\u2028", "q": "\'\\"", "n": [1, 2.50]}'])
    def test_metadata_comes_back_byte_for_byte(self, store: StateStore, metadata: str | None) -> None:
        start_run(store)
        with store.transaction() as unit:
            unit.items.append(RUN_ID, [example_item(0, segment_id=None)._replace(metadata=metadata)])
            unit.results.append(RUN_ID, [example_failure(0, sequence=1)])
        with store.reading() as unit:
            (stored,) = unit.results.by_index(RUN_ID, first=0, limit=1)
        assert StoredResult(*stored).metadata == metadata

    def test_statuses_begin_at_first_and_end_at_the_limit(self, store: StateStore) -> None:
        start_run(store, items=9, rejected={4})
        with store.reading() as unit:
            statuses = unit.items.statuses(RUN_ID, first=3, limit=3)
        assert list(statuses) == [(3, PENDING), (4, FAILED), (5, PENDING)]

    def test_a_slice_of_fifty_thousand_items_is_stored(self, store: StateStore) -> None:
        start_run(store, items=_LARGE)
        with store.transaction() as unit:
            batch = claim(unit, fresh=_LARGE)
            assert len(unit.items.holding(batch).members()) == _LARGE
        with store.reading() as unit:
            assert unit.items.requests(RUN_ID, first=_LARGE - 1, limit=9)[0].offset == (_LARGE - 1) * REQUEST_BYTES
            assert unit.items.recount(RUN_ID) == StatusCounts(queued_local=_LARGE)

    def test_a_run_without_items_recounts_to_nothing(self, store: StateStore) -> None:
        start_run(store)
        with store.reading() as unit:
            assert unit.items.recount(RUN_ID) == StatusCounts()


class DerivedStatusContract(StateContract):
    def test_new_items_are_pending_and_those_that_cannot_be_sent_have_failed(self, store: StateStore) -> None:
        start_run(store)
        assert _after(store, lambda unit: ingest(unit, 3, rejected={1})) == [PENDING, FAILED, PENDING]

    def test_a_claim_queues_its_range_and_nothing_else(self, store: StateStore) -> None:
        start_run(store, items=5, rejected={1})
        assert _after(store, lambda unit: claim(unit, fresh=2)) == [QUEUED, FAILED, QUEUED, PENDING, PENDING]

    def test_items_of_two_open_batches_follow_their_own(self, store: StateStore) -> None:
        start_run(store, items=4)
        _after(store, lambda unit: submit(unit, claim(unit, fresh=2)))
        after = _after(store, lambda unit: claim(unit, fresh=1))
        assert after == [SUBMITTED, SUBMITTED, QUEUED, PENDING]

    @pytest.mark.parametrize(
        ("events", "status"),
        [
            ([], QUEUED),
            ([BatchEvent.UPLOAD], QUEUED),
            ([BatchEvent.UPLOAD, BatchEvent.SEND], QUEUED),
            ([BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.REFUSE], QUEUED),
            ([BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.FENCE], QUEUED),
            ([BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.FENCE, BatchEvent.ACKNOWLEDGE], SUBMITTED),
            ([BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.FENCE, BatchEvent.ABANDON], PENDING),
            ([BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.ACKNOWLEDGE], SUBMITTED),
            ([BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.ACKNOWLEDGE, BatchEvent.END], SUBMITTED),
            ([BatchEvent.ABANDON], PENDING),
            ([BatchEvent.UPLOAD, BatchEvent.ABANDON], PENDING),
        ],
    )
    def test_items_follow_the_state_of_their_batch(
        self, store: StateStore, events: list[BatchEvent], status: ItemStatus
    ) -> None:
        start_run(store, items=2)
        assert _after(store, lambda unit: advance(unit, claim(unit, fresh=2), *events)) == [status, status]

    def test_an_abandoned_batch_beside_its_successor_decides_nothing(self, store: StateStore) -> None:
        start_run(store, items=3)

        def replace_batch(unit: UnitOfWork) -> None:
            abandon(unit, claim(unit, fresh=2))

        assert _after(store, replace_batch) == [QUEUED, QUEUED, PENDING]

    def test_items_of_a_successor_that_was_submitted_are_submitted(self, store: StateStore) -> None:
        start_run(store, items=2)

        def replace_batch(unit: UnitOfWork) -> None:
            submit(unit, abandon(unit, claim(unit, fresh=2)))

        assert _after(store, replace_batch) == [SUBMITTED, SUBMITTED]

    def test_results_and_retries_decide_before_the_batch_does(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=5)
        verdicts = {0: Verdict.SUCCEED, 1: Verdict.REJECT, 2: Verdict.RETRY, 3: Verdict.DEFER}
        after = _after(store, lambda unit: settle(unit, batch, verdicts))
        assert after == [COMPLETED, FAILED, RETRYABLE, RETRYABLE, SUBMITTED]

    def test_the_status_does_not_depend_on_when_the_retry_is_due(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=1)
        later = seconds_later(3600)
        assert _after(store, lambda unit: settle(unit, batch, {0: Verdict.RETRY}, not_before=later)) == [RETRYABLE]

    def test_a_collected_batch_leaves_results_and_retries(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=2)

        def collect(unit: UnitOfWork) -> None:
            settle(unit, batch, {0: Verdict.SUCCEED, 1: Verdict.RETRY})
            advance(unit, batch, BatchEvent.END, BatchEvent.COLLECT)

        assert _after(store, collect) == [COMPLETED, RETRYABLE]

    def test_a_bound_retry_follows_its_batch_to_the_end(self, store: StateStore) -> None:
        waiting_retries(store, items=3)
        batches = []
        assert _after(store, lambda unit: batches.append(claim(unit, retries=2))) == [QUEUED, QUEUED, RETRYABLE]
        assert _after(store, lambda unit: submit(unit, batches[0])) == [SUBMITTED, SUBMITTED, RETRYABLE]
        verdicts = {0: Verdict.SUCCEED, 1: Verdict.RETRY}
        with store.reading() as unit:
            submitted = unit.batches.get(batches[0].batch_id)
        assert _after(store, lambda unit: settle(unit, submitted, verdicts)) == [COMPLETED, RETRYABLE, RETRYABLE]

    def test_a_retry_bound_to_another_batch_leaves_the_batch_of_its_range(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=3)
        _after(store, lambda unit: settle(unit, batch, {1: Verdict.RETRY}))
        after = _after(store, lambda unit: claim(unit, retries=1))
        assert after == [SUBMITTED, QUEUED, SUBMITTED]

    def test_retries_of_an_abandoned_batch_follow_the_successor(self, store: StateStore) -> None:
        waiting_retries(store, items=2)

        def replace_batch(unit: UnitOfWork) -> None:
            abandon(unit, claim(unit, retries=2))

        assert _after(store, replace_batch) == [QUEUED, QUEUED]

    def test_retries_of_an_abandoned_batch_without_a_successor_are_pending(self, store: StateStore) -> None:
        waiting_retries(store, items=1)
        after = _after(store, lambda unit: advance(unit, claim(unit, retries=1), BatchEvent.ABANDON))
        assert after == [PENDING]

    def test_one_batch_holds_retries_and_a_range(self, store: StateStore) -> None:
        waiting_retries(store, items=2)
        _after(store, lambda unit: ingest(unit, 2))
        after = _after(store, lambda unit: claim(unit, fresh=1, retries=2))
        assert after == [QUEUED, QUEUED, QUEUED, PENDING]

    def test_a_failure_of_an_item_that_was_never_sent_ends_it(self, store: StateStore) -> None:
        start_run(store, items=2)
        with store.transaction() as unit:
            unit.results.append(RUN_ID, [example_failure(1, sequence=1)])
            assert _statuses(unit) == [PENDING, FAILED]

    def test_a_result_decides_before_a_retry_does(self, store: StateStore) -> None:
        waiting_retries(store, items=1)
        with store.transaction() as unit:
            unit.results.append(RUN_ID, [example_result(0, sequence=1)])
            assert _statuses(unit) == [COMPLETED]

    def test_items_of_another_run_are_not_touched_by_a_claim(self, store: StateStore) -> None:
        start_run(store, items=2)
        with store.transaction() as unit:
            begin_run(unit, "other", created_at=NOW)
            ingest(unit, 2, run_id="other")
            claim(unit, run_id="other", fresh=2)
            assert _statuses(unit) == [PENDING, PENDING]
