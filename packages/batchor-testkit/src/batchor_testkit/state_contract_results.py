"""The contract of `ResultStore`."""

import random

import pytest

from batchor_core.domain.item import ItemStatus
from batchor_core.domain.results import FailureCount, ResultRow, StoredResult
from batchor_core.ports.state import StateStore
from batchor_core.ports.state_records import RowColumns
from batchor_testkit.state_contract_fixtures import StateContract
from batchor_testkit.state_examples import RUN_ID, example_failure, example_item, example_result, in_sequence
from batchor_testkit.state_steps import start_run, submitted_batch

_LARGE = 50_000


def _append(store: StateStore, *rows: ResultRow, run_id: str = RUN_ID) -> int:
    with store.transaction() as unit:
        return unit.results.append(run_id, rows)


def _by_index(store: StateStore, *, first: int = 0, limit: int = 100, run_id: str = RUN_ID) -> list[StoredResult]:
    with store.reading() as unit:
        return [StoredResult(*fields) for fields in unit.results.by_index(run_id, first=first, limit=limit)]


def _by_sequence(store: StateStore, *, after: int = 0, limit: int = 100) -> list[StoredResult]:
    with store.reading() as unit:
        return [StoredResult(*fields) for fields in unit.results.by_sequence(RUN_ID, after=after, limit=limit)]


def _rows(store: StateStore, *indexes: int) -> list[ResultRow]:
    """As they were appended, by item."""
    with store.reading() as unit:
        return sorted(unit.results.get(RUN_ID, indexes))


def _indexes(results: list[StoredResult]) -> list[int]:
    return [result.item_index for result in results]


def _failures(store: StateStore) -> list[FailureCount]:
    with store.reading() as unit:
        return list(unit.results.failures(RUN_ID))


class ResultStoreContract(StateContract):
    def test_a_result_comes_back_with_what_is_stored_of_its_item(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=2)
        with store.transaction() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
        row = example_result(1, sequence=1, batch_id=batch.batch_id, raw_artifact_id=segment_id)
        _append(store, row)
        assert _by_index(store) == [StoredResult.of("item-1", '{"row": 1}', row)]
        assert _rows(store, 1) == [row]

    def test_results_kept_by_columns_are_stored_as_their_rows_are(self, store: StateStore) -> None:
        start_run(store, items=3)
        rows = [example_result(0, sequence=1), example_failure(1, sequence=2), example_result(2, sequence=3)]
        with store.transaction() as unit:
            assert unit.results.append(RUN_ID, RowColumns(ResultRow)) == 0
            assert unit.results.append(RUN_ID, RowColumns(ResultRow, rows)) == 3
        assert _rows(store, 0, 1, 2) == rows

    def test_a_failure_comes_back_whole(self, store: StateStore) -> None:
        start_run(store, items=1)
        row = example_failure(0, sequence=1)
        _append(store, row)
        (stored,) = _by_index(store)
        assert stored == StoredResult.of("item-0", None, row)
        assert _rows(store, 0) == [row]
        assert stored.status is ItemStatus.FAILED_PERMANENT

    def test_results_of_chosen_items_come_as_they_were_appended(self, store: StateStore) -> None:
        start_run(store, items=2_000)
        rows = in_sequence([example_result(index, sequence=0) for index in range(0, 2_000, 2)])
        _append(store, *rows)
        start_run(store, items=1, run_id="other")
        _append(store, example_result(0, sequence=7), run_id="other")
        assert _rows(store, *range(3_000)) == rows
        assert _rows(store, 1, 6, 4, 9_999) == [rows[2], rows[3]]
        assert _rows(store) == []

    def test_the_status_comes_back_as_a_status(self, store: StateStore) -> None:
        start_run(store, items=1)
        _append(store, example_result(0, sequence=1))
        assert _by_sequence(store)[0].status is ItemStatus.COMPLETED

    @pytest.mark.parametrize(
        "text", ["", "null", 'O\'Brien said "hi"\\n\n\r\t', "é e\u0301 😀 \u2028 \ufffd", "x" * 10**6]
    )
    def test_output_text_comes_back_as_it_was(self, store: StateStore, text: str) -> None:
        start_run(store, items=1)
        _append(store, example_result(0, sequence=1)._replace(output_text=text))
        assert _by_index(store)[0].output_text == text

    def test_byte_ranges_of_output_lines_behind_four_gigabytes_are_kept(self, store: StateStore) -> None:
        start_run(store, items=1)
        row = example_result(0, sequence=1)._replace(raw_offset=5 * 10**9, raw_length=4 * 10**6)
        _append(store, row)
        assert _rows(store, 0) == [row]

    def test_append_tells_how_many_results_it_stored(self, store: StateStore) -> None:
        start_run(store, items=3)
        assert _append(store, *in_sequence([example_result(index, sequence=0) for index in range(3)])) == 3
        assert _append(store) == 0

    def test_replayed_results_are_neither_stored_nor_counted(self, store: StateStore) -> None:
        start_run(store, items=3)
        rows = [example_result(0, sequence=1), example_failure(1, sequence=2)]
        _append(store, *rows)
        before = _by_index(store)
        assert _append(store, *in_sequence(rows, after=2)) == 0
        assert _by_index(store) == before
        assert _indexes(_by_sequence(store)) == [0, 1]
        assert [failure.items for failure in _failures(store)] == [1]

    def test_an_item_keeps_its_first_result(self, store: StateStore) -> None:
        start_run(store, items=1)
        _append(store, example_result(0, sequence=1))
        assert _append(store, example_failure(0, sequence=2)) == 0
        assert _rows(store, 0) == [example_result(0, sequence=1)]
        assert _failures(store) == []

    def test_of_many_results_at_once_those_that_are_known_are_left_out(self, store: StateStore) -> None:
        start_run(store, items=120)
        _append(store, example_result(7, sequence=1), example_result(110, sequence=2))
        rows = in_sequence([example_failure(index, sequence=0) for index in range(120)], after=2)
        assert _append(store, *rows) == 118
        stored = _by_index(store, limit=200)
        completed = [each.item_index for each in stored if each.status.value == "completed"]
        assert completed == [7, 110]

    def test_of_a_slice_with_some_known_results_the_others_are_stored(self, store: StateStore) -> None:
        start_run(store, items=5)
        _append(store, example_result(1, sequence=1), example_result(3, sequence=2))
        rows = in_sequence([example_failure(index, sequence=0) for index in range(5)], after=2)
        assert _append(store, *rows) == 3
        assert [(stored.item_index, stored.status.value) for stored in _by_index(store)] == [
            (0, "failed_permanent"),
            (1, "completed"),
            (2, "failed_permanent"),
            (3, "completed"),
            (4, "failed_permanent"),
        ]

    def test_results_come_in_input_order_whatever_order_they_ended_in(self, store: StateStore) -> None:
        start_run(store, items=5)
        _append(store, example_result(3, sequence=1), example_result(4, sequence=2))
        _append(store, example_result(0, sequence=3), example_result(2, sequence=4))
        assert _indexes(_by_index(store)) == [0, 2, 3, 4]
        assert _indexes(_by_sequence(store)) == [3, 4, 0, 2]

    def test_results_of_one_slice_come_in_the_order_of_their_sequences(self, store: StateStore) -> None:
        start_run(store, items=3)
        _append(store, *(example_result(index, sequence=sequence) for index, sequence in enumerate([3, 1, 2])))
        assert _indexes(_by_sequence(store)) == [1, 2, 0]

    def test_by_index_begins_at_first_and_ends_at_the_limit(self, store: StateStore) -> None:
        start_run(store, items=9)
        _append(store, *(example_result(index, sequence=index + 1) for index in (1, 3, 5, 7)))
        assert _indexes(_by_index(store, first=2, limit=2)) == [3, 5]
        assert _indexes(_by_index(store, first=3, limit=9)) == [3, 5, 7]
        assert _indexes(_by_index(store, first=8)) == []

    def test_pages_by_sequence_leave_no_gap_and_repeat_nothing(self, store: StateStore) -> None:
        start_run(store, items=20)
        order = random.Random(7).sample(range(20), 20)  # noqa: S311  an order of rows, no secret
        for place in range(0, 20, 5):
            rows = [example_result(index, sequence=0) for index in sorted(order[place : place + 5])]
            _append(store, *in_sequence(rows, after=place))
        seen: list[StoredResult] = []
        while page := _by_sequence(store, after=seen[-1].sequence if seen else 0, limit=3):
            assert not set(seen) & set(page), "a page repeats results of the page before"
            seen += page
        assert [stored.sequence for stored in seen] == list(range(1, 21))
        assert sorted(_indexes(seen)) == list(range(20))

    def test_a_reader_by_sequence_sees_what_ended_after_its_page(self, store: StateStore) -> None:
        start_run(store, items=3)
        _append(store, example_result(2, sequence=1))
        assert _indexes(_by_sequence(store, after=0)) == [2]
        _append(store, example_result(0, sequence=2))
        assert _indexes(_by_sequence(store, after=1)) == [0]

    def test_sequences_may_have_gaps(self, store: StateStore) -> None:
        start_run(store, items=2)
        _append(store, example_result(0, sequence=5), example_result(1, sequence=90))
        assert _indexes(_by_sequence(store, after=5)) == [1]

    def test_failures_are_counted_by_class_most_first(self, store: StateStore) -> None:
        start_run(store, items=7)
        classes = ["refused", "empty", "refused", "truncated", "refused", "empty"]
        rows = [example_failure(index, sequence=index + 1, error_class=name) for index, name in enumerate(classes)]
        _append(store, *rows[:3])
        _append(store, *rows[3:], example_result(6, sequence=7))
        assert _failures(store) == [
            FailureCount("refused", 3),
            FailureCount("empty", 2),
            FailureCount("truncated", 1),
        ]

    def test_results_of_another_run_are_not_seen(self, store: StateStore) -> None:
        start_run(store, items=2)
        start_run(store, items=2, run_id="other")
        _append(store, example_failure(0, sequence=1), run_id="other")
        assert (_by_index(store), _by_sequence(store), _failures(store)) == ([], [], [])
        assert _append(store, example_result(0, sequence=1)) == 1

    @pytest.mark.parametrize(("after", "seen"), [(-(10**15), [1]), (-1, [1]), (1, []), (10**15, []), (10**30, [])])
    def test_a_reader_by_sequence_stays_in_its_run_wherever_it_begins(
        self, store: StateStore, after: int, seen: list[int]
    ) -> None:
        for run_id in ("before", RUN_ID, "behind"):
            start_run(store, items=2, run_id=run_id)
            _append(store, example_result(1 if run_id == RUN_ID else 0, sequence=1), run_id=run_id)
        assert _indexes(_by_sequence(store, after=after)) == seen

    def test_a_run_without_results_has_none(self, store: StateStore) -> None:
        start_run(store, items=2)
        assert (_by_index(store), _by_sequence(store), _failures(store)) == ([], [], [])

    def test_fifty_thousand_results_are_stored_at_once(self, store: StateStore) -> None:
        start_run(store)
        with store.transaction() as unit:
            unit.items.append(RUN_ID, [example_item(index, segment_id=None) for index in range(_LARGE)])
        rows = [example_result(index, sequence=index + 1) for index in range(_LARGE)]
        assert _append(store, *rows) == _LARGE
        assert _append(store, *rows) == 0
        assert _indexes(_by_index(store, first=_LARGE - 2)) == [_LARGE - 2, _LARGE - 1]
        assert len(_by_sequence(store, limit=_LARGE)) == _LARGE


def _withdraw_and_fail(store: StateStore) -> None:
    with store.transaction() as unit:
        unit.results.withdraw(RUN_ID, error_class=None, limit=1)
        raise ZeroDivisionError


class WithdrawnResultsContract(StateContract):
    def test_failed_results_are_withdrawn_and_completed_ones_stay(self, store: StateStore) -> None:
        start_run(store, items=3)
        failed = example_failure(1, sequence=2)
        _append(store, example_result(0, sequence=1), failed, example_result(2, sequence=3))
        with store.transaction() as unit:
            assert list(unit.results.withdraw(RUN_ID, error_class=None, limit=10)) == [failed]
        assert _indexes(_by_index(store)) == [0, 2]
        assert _indexes(_by_sequence(store)) == [0, 2]
        assert _failures(store) == []

    def test_only_results_of_the_class_are_withdrawn_up_to_the_limit(self, store: StateStore) -> None:
        start_run(store, items=4)
        classes = ["empty", "refused", "empty", "empty"]
        rows = [example_failure(n, sequence=n + 1, error_class=name) for n, name in enumerate(classes)]
        _append(store, *rows)
        with store.transaction() as unit:
            assert len(unit.results.withdraw(RUN_ID, error_class="empty", limit=2)) == 2
        assert sorted(_failures(store)) == [FailureCount("empty", 1), FailureCount("refused", 1)]

    def test_items_that_cannot_be_sent_keep_their_failure(self, store: StateStore) -> None:
        start_run(store, items=2, rejected=[0])
        with store.transaction() as unit:
            assert list(unit.results.withdraw(RUN_ID, error_class=None, limit=10)) == []
        assert _indexes(_by_index(store)) == [0]

    def test_a_withdrawn_item_can_end_again(self, store: StateStore) -> None:
        start_run(store, items=1)
        _append(store, example_failure(0, sequence=1))
        with store.transaction() as unit:
            unit.results.withdraw(RUN_ID, error_class=None, limit=1)
        assert _append(store, example_result(0, sequence=2)) == 1
        assert _by_index(store)[0].status is ItemStatus.COMPLETED

    def test_a_withdrawal_is_undone_with_its_transaction(self, store: StateStore) -> None:
        start_run(store, items=1)
        _append(store, example_failure(0, sequence=1))
        with pytest.raises(ZeroDivisionError):
            _withdraw_and_fail(store)
        assert _indexes(_by_sequence(store)) == [0]
        assert len(_failures(store)) == 1
