"""The contract of `ItemStore.holding`: what batches hold."""

from batchor_core.domain.batch import BatchRecord
from batchor_core.ports.state import StateStore
from batchor_core.ports.state_records import Member
from batchor_testkit.state_contract_fixtures import StateContract
from batchor_testkit.state_examples import RUN_ID, example_batch, example_item, example_result
from batchor_testkit.state_steps import (
    Verdict,
    abandon,
    claim,
    settle,
    start_run,
    submit,
    submitted_batch,
    waiting_retries,
)


def _members(store: StateStore, batch: BatchRecord) -> list[Member]:
    with store.reading() as unit:
        return list(unit.items.holding(batch).members())


class BatchMembersContract(StateContract):
    def test_members_are_the_items_of_the_range(self, store: StateStore) -> None:
        start_run(store, items=6)
        with store.transaction() as unit:
            claim(unit, fresh=2)
            second = claim(unit, fresh=3)
        assert _members(store, second) == [Member(2, 0, 0), Member(3, 0, 0), Member(4, 0, 0)]

    def test_a_batch_that_holds_its_whole_range_has_no_exceptions(self, store: StateStore) -> None:
        start_run(store, items=6)
        with store.transaction() as unit:
            holding = unit.items.holding(claim(unit, fresh=5))
        assert (holding.first, holding.last, len(holding)) == (0, 5, 5)
        assert not holding.exceptions
        assert not holding.retries

    def test_each_exception_is_told_once(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=4)
        with store.transaction() as unit:
            settle(unit, batch, {1: Verdict.SUCCEED, 2: Verdict.RETRY})
            claim(unit, retries=1)
            unit.results.append(RUN_ID, [example_result(2, sequence=2)])
        with store.reading() as unit:
            holding = unit.items.holding(batch)
        assert sorted(holding.exceptions) == [1, 2]
        assert len(holding) == 2

    def test_indexes_without_an_item_are_no_members(self, store: StateStore) -> None:
        start_run(store, items=2)
        with store.transaction() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
            unit.items.append(RUN_ID, [example_item(4, segment_id=segment_id)])
            batch = unit.batches.add(example_batch(first=0, last=6))
        assert [member.item_index for member in _members(store, batch)] == [0, 1, 4]

    def test_items_that_cannot_be_sent_are_no_members(self, store: StateStore) -> None:
        start_run(store, items=4, rejected={1, 3})
        with store.transaction() as unit:
            batch = claim(unit, fresh=2)
        assert [member.item_index for member in _members(store, batch)] == [0, 2]

    def test_an_item_without_a_request_is_no_member_even_while_it_has_no_result(self, store: StateStore) -> None:
        start_run(store, items=1)
        with store.transaction() as unit:
            unit.items.append(RUN_ID, [example_item(1, segment_id=None)])
            batch = unit.batches.add(example_batch(first=0, last=2))
        assert [member.item_index for member in _members(store, batch)] == [0]

    def test_items_with_a_result_are_no_members(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=3)
        with store.transaction() as unit:
            settle(unit, batch, {0: Verdict.SUCCEED, 2: Verdict.REJECT})
        assert [member.item_index for member in _members(store, batch)] == [1]

    def test_items_that_await_a_retry_are_no_members(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=3)
        with store.transaction() as unit:
            settle(unit, batch, {1: Verdict.RETRY})
        assert [member.item_index for member in _members(store, batch)] == [0, 2]

    def test_items_whose_retry_is_bound_elsewhere_are_members_there_alone(self, store: StateStore) -> None:
        batch = submitted_batch(store, items=3)
        with store.transaction() as unit:
            settle(unit, batch, {1: Verdict.RETRY, 2: Verdict.DEFER})
            other = claim(unit, retries=2)
        assert [member.item_index for member in _members(store, batch)] == [0]
        assert _members(store, other) == [Member(1, 1, 0), Member(2, 0, 1)]

    def test_a_batch_of_retries_and_a_range_has_both_in_order(self, store: StateStore) -> None:
        waiting_retries(store, items=2)
        with store.transaction() as unit:
            segment_id = unit.runs.get(RUN_ID).ingest.segment_id
            unit.items.append(RUN_ID, [example_item(2, segment_id=segment_id), example_item(3, segment_id=segment_id)])
            batch = claim(unit, fresh=2, retries=2)
        assert _members(store, batch) == [Member(0, 1, 0), Member(1, 1, 0), Member(2, 0, 0), Member(3, 0, 0)]

    def test_a_member_by_retry_leaves_with_its_result(self, store: StateStore) -> None:
        waiting_retries(store, items=2)
        with store.transaction() as unit:
            batch = claim(unit, retries=2)
            unit.results.append(RUN_ID, [example_result(0, sequence=1, batch_id=batch.batch_id)])
        assert [member.item_index for member in _members(store, batch)] == [1]

    def test_members_tell_what_was_spent_before(self, store: StateStore) -> None:
        batch = waiting_retries(store, items=1)
        for _ in range(2):
            with store.transaction() as unit:
                batch = submit(unit, claim(unit, retries=1))
                settle(unit, batch, {0: Verdict.DEFER})
        with store.transaction() as unit:
            batch = claim(unit, retries=1)
        assert _members(store, batch) == [Member(0, 1, 2)]

    def test_a_successor_holds_what_the_abandoned_batch_held(self, store: StateStore) -> None:
        start_run(store, items=3)
        with store.transaction() as unit:
            batch = claim(unit, fresh=2)
            successor = abandon(unit, batch)
        assert [member.item_index for member in _members(store, successor)] == [0, 1]

    def test_an_abandoned_batch_holds_nothing(self, store: StateStore) -> None:
        start_run(store, items=3)
        with store.transaction() as unit:
            batch = claim(unit, fresh=2)
            abandon(unit, batch)
        with store.reading() as unit:
            abandoned = unit.batches.get(batch.batch_id)
        assert _members(store, abandoned) == []

    def test_a_collected_batch_holds_nothing(self, store: StateStore) -> None:
        assert _members(store, waiting_retries(store, items=3)) == []

    def test_members_are_those_of_the_run(self, store: StateStore) -> None:
        start_run(store, items=2, run_id="one")
        start_run(store, items=2, run_id="two")
        with store.transaction() as unit:
            one, two = claim(unit, run_id="one", fresh=2), claim(unit, run_id="two", fresh=2)
            unit.results.append("two", [example_result(0, sequence=1, batch_id=two.batch_id)])
        assert [member.item_index for member in _members(store, one)] == [0, 1]
        assert [member.item_index for member in _members(store, two)] == [1]
