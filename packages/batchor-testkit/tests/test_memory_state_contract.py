from contextlib import nullcontext

import pytest

from batchor_core.adapters.memory_state import MemoryStateStore
from batchor_testkit.state_contract import StateStoreContract
from batchor_testkit.state_machine import state_machine_test_case


class TestMemoryState(StateStoreContract):
    READERS_WAIT_FOR_WRITERS = True

    @pytest.fixture
    def store(self) -> MemoryStateStore:
        return MemoryStateStore()


TestMemoryMachine = state_machine_test_case(lambda: nullcontext(MemoryStateStore()))
