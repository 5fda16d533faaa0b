import pytest

from batchor_core.ports.state import StateStore
from batchor_postgres import PostgresStorage
from batchor_testkit.state_contract import ConcurrentReadersContract, StateStoreContract


class TestPostgresState(StateStoreContract, ConcurrentReadersContract):
    @pytest.fixture
    def store(self, storage: PostgresStorage) -> StateStore:
        return storage

    def reopen(self, store: StateStore) -> StateStore:
        store.close()  # and its next use connects again, with nothing remembered
        return store
