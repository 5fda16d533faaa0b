"""What every state store promises, as tests: inherit `StateStoreContract` and give it your store.

```python
class TestSQLiteState(StateStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SQLiteStorage:
        return SQLiteStorage(path=tmp_path / "state.db")

    def reopen(self, store: SQLiteStorage) -> SQLiteStorage:  # for a store that outlives its process
        store.close()
        return SQLiteStorage(path=store.path)
```
Each part can be inherited on its own while the others are not written yet.
"""

import pytest

_PARTS = ("batches", "capacity", "items", "lineage", "logs", "members", "results", "retries", "runs", "transactions")
# Before they are imported, or their asserts would fail without saying what was compared.
pytest.register_assert_rewrite(*(f"batchor_testkit.state_contract_{part}" for part in _PARTS))

# ruff: noqa: E402  the imports have to follow the registration above
from batchor_testkit.state_contract_batches import BatchLeaseContract, BatchStoreContract
from batchor_testkit.state_contract_capacity import CapacityStoreContract
from batchor_testkit.state_contract_fixtures import StateContract
from batchor_testkit.state_contract_items import DerivedStatusContract, ItemStoreContract
from batchor_testkit.state_contract_lineage import LineageStoreContract
from batchor_testkit.state_contract_logs import ArtifactCatalogContract, EventLogContract
from batchor_testkit.state_contract_members import BatchMembersContract
from batchor_testkit.state_contract_results import ResultStoreContract, WithdrawnResultsContract
from batchor_testkit.state_contract_retries import RetryStoreContract
from batchor_testkit.state_contract_runs import RunStoreContract
from batchor_testkit.state_contract_transactions import (
    ConcurrentReadersContract,
    ThreadsContract,
    TransactionContract,
)

__all__ = [
    "ArtifactCatalogContract",
    "BatchLeaseContract",
    "BatchMembersContract",
    "BatchStoreContract",
    "CapacityStoreContract",
    "ConcurrentReadersContract",
    "DerivedStatusContract",
    "EventLogContract",
    "ItemStoreContract",
    "LineageStoreContract",
    "ResultStoreContract",
    "RetryStoreContract",
    "RunStoreContract",
    "StateContract",
    "StateStoreContract",
    "ThreadsContract",
    "TransactionContract",
    "WithdrawnResultsContract",
]


class StateStoreContract(
    RunStoreContract,
    ItemStoreContract,
    LineageStoreContract,
    DerivedStatusContract,
    BatchStoreContract,
    BatchLeaseContract,
    BatchMembersContract,
    RetryStoreContract,
    ResultStoreContract,
    WithdrawnResultsContract,
    ArtifactCatalogContract,
    CapacityStoreContract,
    EventLogContract,
    TransactionContract,
    ThreadsContract,
):
    """The whole contract of `batchor_core.ports.state.StateStore`."""
