from collections.abc import Iterator
from pathlib import Path

import pytest

from batchor_core.ports.state import StateStore
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_contract import ConcurrentReadersContract, StateStoreContract


class TestSQLiteState(StateStoreContract, ConcurrentReadersContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[StateStore]:
        storage = SQLiteStorage(path=tmp_path / "state.sqlite3")
        yield storage
        storage.close()

    def reopen(self, store: StateStore) -> StateStore:
        store.close()  # and its next use opens the file again, with nothing remembered
        return store
