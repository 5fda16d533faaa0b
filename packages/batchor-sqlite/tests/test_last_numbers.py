"""A run numbers its items, and its results, below 2^40: what is at the end of that, and behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchor_core.domain.results import StoredResult
from batchor_core.errors import StorageError
from batchor_core.ports.state import StateStore
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID, example_item, example_result, example_run

_LAST = 2**40 - 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    """With a run whose last item and result have the last numbers, and with the run behind it."""
    store = SQLiteStorage(path=tmp_path / "state.sqlite3")
    with store.transaction() as unit:
        for run_id in (RUN_ID, "behind"):
            unit.runs.add(example_run(run_id))
            unit.items.append(run_id, [example_item(index, segment_id=None) for index in (0, _LAST)])
            unit.results.append(run_id, [example_result(0, sequence=1), example_result(_LAST, sequence=_LAST)])
    yield store
    store.close()


def test_the_last_item_is_stored_as_others_are(store: StateStore) -> None:
    with store.reading() as unit:
        assert [row.item_index for row in unit.items.page(RUN_ID, first=1, limit=9)] == [_LAST]
        assert [index for index, _ in unit.items.statuses(RUN_ID, first=_LAST, limit=9)] == [_LAST]
        assert [row.item_index for row in unit.results.get(RUN_ID, [_LAST])] == [_LAST]


def test_the_last_result_is_stored_as_others_are(store: StateStore) -> None:
    with store.reading() as unit:
        assert [StoredResult(*row).sequence for row in unit.results.by_sequence(RUN_ID, after=1, limit=9)] == [_LAST]
        assert [StoredResult(*row).sequence for row in unit.results.by_index(RUN_ID, first=1, limit=9)] == [_LAST]


@pytest.mark.parametrize("number", [_LAST + 1, 2**63])
def test_nothing_of_the_next_run_is_read_from_behind_the_last_number(store: StateStore, number: int) -> None:
    with store.reading() as unit:
        assert unit.items.page(RUN_ID, first=number, limit=9) == []
        assert unit.results.get(RUN_ID, [number]) == []
        assert unit.results.by_index(RUN_ID, first=number, limit=9) == []
        assert unit.results.by_sequence(RUN_ID, after=number, limit=9) == []


def test_an_item_behind_the_last_number_is_refused(store: StateStore) -> None:
    with pytest.raises(StorageError, match=r"state\.sqlite3: run .* no room for number 1099511627776.*another run"):
        _append_item(store, _LAST + 1)


def _append_item(store: StateStore, index: int) -> None:
    with store.transaction() as unit:
        unit.items.append(RUN_ID, [example_item(index, segment_id=None)])


def test_a_result_behind_the_last_number_is_refused(store: StateStore) -> None:
    with pytest.raises(StorageError, match="no room for number 1099511627776"), store.transaction() as unit:
        unit.results.append(RUN_ID, [example_result(5, sequence=_LAST + 1)])
