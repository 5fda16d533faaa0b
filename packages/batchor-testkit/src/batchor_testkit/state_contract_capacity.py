"""The contract of `CapacityStore`."""

import pytest

from batchor_core.domain.capacity import CapacityRecord
from batchor_core.ports.state import StateStore
from batchor_testkit.state_contract_fixtures import StateContract
from batchor_testkit.state_examples import seconds_later


def _lock(store: StateStore, scope: str) -> CapacityRecord:
    with store.transaction() as unit:
        return unit.capacity.lock(scope)


def _reserve_and_fail(store: StateStore) -> None:
    with store.transaction() as unit:
        unit.capacity.save(unit.capacity.lock("gpt").reserving(5))
        raise ZeroDivisionError


class CapacityStoreContract(StateContract):
    def test_an_unknown_scope_has_nothing_reserved(self, store: StateStore) -> None:
        assert _lock(store, "gpt") == CapacityRecord("gpt")

    def test_reading_a_scope_stores_nothing(self, store: StateStore) -> None:
        with store.reading() as unit:
            assert unit.capacity.get("gpt") == CapacityRecord("gpt")

    def test_what_is_saved_comes_back_whole(self, store: StateStore) -> None:
        record = CapacityRecord("gpt", 2**40, learned_limit=7, refusals=2, blocked_until=seconds_later(60))
        with store.transaction() as unit:
            unit.capacity.lock("gpt")
            unit.capacity.save(record)
        assert _lock(self.reopen(store), "gpt") == record

    def test_scopes_do_not_touch_each_other(self, store: StateStore) -> None:
        with store.transaction() as unit:
            unit.capacity.save(unit.capacity.lock("one").reserving(5))
            unit.capacity.save(unit.capacity.lock("two").reserving(8))
        assert [_lock(store, scope).reserved for scope in ("one", "two")] == [5, 8]

    def test_a_reservation_is_undone_with_its_transaction(self, store: StateStore) -> None:
        with pytest.raises(ZeroDivisionError):
            _reserve_and_fail(store)
        assert _lock(store, "gpt").reserved == 0
