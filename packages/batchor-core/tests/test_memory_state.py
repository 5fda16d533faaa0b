"""What `MemoryStateStore` does beyond the contract of all state stores, which the testkit's tests run on it."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from batchor_core.adapters.memory_state import MemoryStateStore
from batchor_core.domain.results import ResultRow
from batchor_core.domain.run import IngestState, RunRecord
from batchor_core.errors import RunNotFoundError, StorageError
from batchor_core.ports.state import StateStore
from batchor_core.ports.state_records import ItemRow

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
MANY = 200_000


@pytest.fixture
def store() -> MemoryStateStore:
    storage = MemoryStateStore()
    with storage.transaction() as unit:
        unit.runs.add(a_run("run"))
    return storage


def a_run(run_id: str) -> RunRecord:
    return RunRecord(run_id, "0a1b2c3d", NOW, {}, IngestState(source={"kind": "list"}))


def an_item(index: int) -> ItemRow:
    return ItemRow(index, f"item-{index}", None, 1, index * 10, 10, 0)


def a_result(index: int, sequence: int) -> ResultRow:
    return ResultRow(index, sequence, 1, None, None, 0, 0, "x", "[0,0,0,0,null]", None)


def quickest_s(step: object, repeats: int = 5) -> float:
    assert callable(step)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return min(times)


def test_it_is_a_state_store(store: MemoryStateStore) -> None:
    port: StateStore = store
    assert port.artifact_root is None


def test_leases_are_judged_by_the_local_time(store: MemoryStateStore) -> None:
    assert store.now(NOW) is NOW


def test_two_stores_share_nothing(store: MemoryStateStore) -> None:
    with pytest.raises(RunNotFoundError), MemoryStateStore().reading() as unit:
        unit.runs.get("run")


def test_a_closed_store_keeps_its_facts(store: MemoryStateStore) -> None:
    store.close()
    with store.reading() as unit:
        assert unit.runs.get("run") == a_run("run")


@pytest.mark.parametrize("outer", ["transaction", "reading"])
@pytest.mark.parametrize("inner", ["transaction", "reading"])
def test_a_block_inside_another_is_refused_and_the_outer_one_goes_on(
    store: MemoryStateStore, outer: str, inner: str
) -> None:
    with getattr(store, outer)() as unit:
        with pytest.raises(StorageError, match="end it before the next one"), getattr(store, inner)():
            pass
        assert unit.runs.get("run") == a_run("run")
    with store.transaction() as unit:
        unit.runs.add(a_run("later"))


def test_a_write_in_a_reading_is_refused_with_the_remedy(store: MemoryStateStore) -> None:
    with store.reading() as unit, pytest.raises(StorageError, match=r"writes need an open transaction\(\)"):
        unit.runs.add(a_run("other"))


def test_a_write_after_the_end_of_its_transaction_is_refused(store: MemoryStateStore) -> None:
    with store.transaction() as unit:
        pass
    with pytest.raises(StorageError, match="has ended"):
        unit.runs.add(a_run("other"))


def test_another_thread_waits_until_the_transaction_ends(store: MemoryStateStore) -> None:
    def read_batches() -> int:
        with store.reading() as unit:
            return unit.runs.get("run").batches

    with ThreadPoolExecutor(1) as pool:
        with store.transaction():
            reader = pool.submit(read_batches)
            with pytest.raises(TimeoutError):
                reader.result(0.05)
        assert reader.result(10) == 0


def test_an_index_that_goes_back_is_refused(store: MemoryStateStore) -> None:
    with store.transaction() as unit:
        unit.items.append("run", [an_item(5)])
        with pytest.raises(StorageError, match="item 4 was to be stored behind item 5"):
            unit.items.append("run", [an_item(4)])


def test_items_are_found_where_their_indexes_have_gaps(store: MemoryStateStore) -> None:
    with store.transaction() as unit:
        unit.items.append("run", [an_item(index) for index in (3, 4, 9, 20)])
        assert [ref.item_index for ref in unit.items.requests("run", first=5, limit=9)] == [9, 20]


def test_a_result_of_an_item_that_does_not_exist_is_refused(store: MemoryStateStore) -> None:
    with store.transaction() as unit:
        unit.items.append("run", [an_item(0)])
        with pytest.raises(StorageError, match="item 7, which does not exist"):
            unit.results.append("run", [a_result(7, 1)])


def test_a_retry_that_does_not_wait_cannot_be_bound(store: MemoryStateStore) -> None:
    with store.transaction() as unit:
        unit.items.append("run", [an_item(0)])
        with pytest.raises(StorageError, match="1 of the items for batch 1 await no retry"):
            unit.retries.bind("run", [0], batch_id=1)


def test_reads_near_the_end_of_a_large_run_cost_no_more_than_near_its_beginning(store: MemoryStateStore) -> None:
    with store.transaction() as unit:
        unit.items.append("run", [an_item(index) for index in range(MANY)])
        unit.results.append("run", [a_result(index, index + 1) for index in range(MANY)])
    with store.reading() as unit:

        def read_at(place: int) -> None:
            unit.items.requests("run", first=place, limit=100)
            unit.items.statuses("run", first=place, limit=100)
            unit.results.by_index("run", first=place, limit=100)
            unit.results.by_sequence("run", after=place, limit=100)

        read_at(0)
        near, far = quickest_s(lambda: read_at(0)), quickest_s(lambda: read_at(MANY - 100))
    # A walk from the beginning would cost hundreds of times as much.
    assert far < 20 * near
