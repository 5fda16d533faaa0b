from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from batchor_core.adapters.memory_state import MemoryStateStore
from batchor_core.domain.batch import BatchEvent
from batchor_core.domain.item import ItemStatus
from batchor_core.ports.state import UnitOfWork
from batchor_testkit.checked_store import REACHED_FROM, CheckedStore, InvariantBrokenError
from batchor_testkit.state_contract import StateStoreContract
from batchor_testkit.state_examples import RUN_ID, example_batch, example_result
from batchor_testkit.state_steps import advance, claim, start_run, submit


class TestCheckedState(StateStoreContract):
    """It keeps the whole contract. The contract's own steps break what must hold, so breaches are only noted."""

    READERS_WAIT_FOR_WRITERS = True

    @pytest.fixture
    def store(self) -> CheckedStore:
        breaches: list[str] = []
        return CheckedStore(MemoryStateStore(), report=breaches.append)


@pytest.fixture
def store() -> CheckedStore:
    checked = CheckedStore(MemoryStateStore(), scope_of=lambda run: "scope")
    start_run(checked, items=6)
    return checked


def count_wrongly(uow: UnitOfWork) -> None:
    run = uow.runs.lock(RUN_ID)
    uow.runs.save(replace(run, counts=run.counts.accept(1)))


def claim_without_counting(uow: UnitOfWork) -> None:
    uow.batches.add(replace(example_batch(first=0, last=3), reserved_tokens=0))


def hold_items_twice(uow: UnitOfWork) -> None:
    for _ in range(2):
        uow.batches.add(replace(example_batch(first=0, last=3), reserved_tokens=0))


def answer_a_pending_item(uow: UnitOfWork) -> None:
    uow.results.append(RUN_ID, [example_result(0, sequence=1)])
    run = uow.runs.lock(RUN_ID)
    counts = replace(run.counts, pending=run.counts.pending - 1, completed=1)
    uow.runs.save(replace(run, counts=counts, result_sequence=1))


def reserve_nothing(uow: UnitOfWork) -> None:
    uow.capacity.save(uow.capacity.lock("scope").reserving(7))


def forget_an_item(uow: UnitOfWork) -> None:
    run = uow.runs.lock(RUN_ID)
    uow.runs.save(replace(run, ingest=replace(run.ingest, next_index=7)))


@pytest.mark.parametrize(
    ("step", "breach"),
    [
        (count_wrongly, "counters say"),
        (claim_without_counting, "counters say"),
        (hold_items_twice, "overlap|several open batches|counters say"),
        (answer_a_pending_item, "item 0 went from pending to completed"),
        (reserve_nothing, "7 tokens reserved"),
        (forget_an_item, "6 items, and reads on at 7"),
    ],
)
def test_a_step_that_breaks_what_must_hold_is_refused(
    store: CheckedStore, step: Callable[[UnitOfWork], Any], breach: str
) -> None:
    with store.reading() as uow:
        before = uow.runs.get(RUN_ID)
    with pytest.raises(InvariantBrokenError, match=breach), store.transaction() as uow:
        step(uow)
    with store.reading() as uow:
        assert uow.runs.get(RUN_ID) == before
        assert uow.batches.open_batches(RUN_ID) == []


def without_tokens(uow: UnitOfWork, *, fresh: int) -> Any:
    batch = claim(uow, fresh=fresh)
    unreserved = replace(batch, reserved_tokens=0)
    uow.batches.save(unreserved)
    return unreserved


def test_valid_steps_pass(store: CheckedStore) -> None:
    with store.transaction() as uow:
        batch = without_tokens(uow, fresh=3)
    with store.transaction() as uow:
        submitted = submit(uow, batch)
    assert submitted.state.value == "submitted"


def test_two_intents_with_one_remote_batch_are_refused(store: CheckedStore) -> None:
    with store.transaction() as uow:
        first, second = without_tokens(uow, fresh=2), without_tokens(uow, fresh=2)
    with store.transaction() as uow:
        uow.batches.save(replace(first, provider_batch_id="remote"))
    with pytest.raises(InvariantBrokenError, match="one remote batch"), store.transaction() as uow:
        uow.batches.save(replace(second, provider_batch_id="remote"))


def test_a_second_remote_batch_for_an_intent_is_refused(store: CheckedStore) -> None:
    with store.transaction() as uow:
        batch = without_tokens(uow, fresh=2)
        uow.batches.save(replace(batch, provider_batch_id="one"))
    with pytest.raises(InvariantBrokenError, match="second remote batch"), store.transaction() as uow:
        uow.batches.save(replace(batch, provider_batch_id="two"))


def test_a_batch_that_lost_an_item_is_refused(store: CheckedStore) -> None:
    with store.transaction() as uow:
        batch = without_tokens(uow, fresh=2)
    with pytest.raises(InvariantBrokenError, match="holds 2 items, and was to hold 3"), store.transaction() as uow:
        uow.batches.save(replace(batch, request_count=3))


def test_a_fence_that_falls_is_refused(store: CheckedStore) -> None:
    with store.transaction() as uow:
        batch = without_tokens(uow, fresh=2)
    # No store lets a fence fall; a damaged one may have it so.
    object.__setattr__(batch.lease, "fence", 0)
    with pytest.raises(InvariantBrokenError, match="a fence has fallen"), store.transaction() as uow:
        uow.runs.lock(RUN_ID)


def test_a_breach_that_is_only_reported_is_committed() -> None:
    breaches: list[str] = []
    store = CheckedStore(MemoryStateStore(), report=breaches.append)
    start_run(store, items=1)
    with store.transaction() as uow:
        count_wrongly(uow)
    assert len(breaches) == 1
    with store.reading() as uow:
        assert uow.runs.get(RUN_ID).counts.pending == 2


def test_what_was_rolled_back_is_not_compared_with(store: CheckedStore) -> None:
    with pytest.raises(KeyError), store.transaction() as uow:
        uow.runs.get({}[without_tokens(uow, fresh=3).batch_id])
    with store.transaction() as uow:
        batch = without_tokens(uow, fresh=3)
        assert advance(uow, batch, BatchEvent.UPLOAD).state.value == "uploaded"


def test_the_table_of_items_says_what_may_happen_in_one_transaction() -> None:
    assert REACHED_FROM[ItemStatus.COMPLETED] == frozenset()
    assert ItemStatus.COMPLETED not in REACHED_FROM[ItemStatus.QUEUED_LOCAL]
    assert ItemStatus.QUEUED_LOCAL in REACHED_FROM[ItemStatus.FAILED_RETRYABLE]
