from collections import Counter
from contextlib import nullcontext

import pytest

from batchor_core.adapters.memory_state import MemoryStateStore
from batchor_testkit.state_contract import StateStoreContract
from batchor_testkit.state_machine import state_machine_test_case


class TestMemoryState(StateStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStateStore:
        return MemoryStateStore()


TestMemoryMachine = state_machine_test_case(lambda: nullcontext(MemoryStateStore()))


def test_no_part_of_the_contract_hides_a_test_of_another() -> None:
    # A class that inherits two tests of one name runs only the first, and nobody notices.
    names = Counter(name for part in StateStoreContract.__mro__ for name in vars(part) if name.startswith("test_"))
    assert [name for name, times in names.items() if times > 1] == []
