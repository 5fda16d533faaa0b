from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from unittest import defaultTestLoader

from batchor_core.ports.state import StateStore
from batchor_postgres import PostgresStorage
from batchor_testkit.state_machine import state_machine_test_case


def test_random_steps_leave_what_they_leave_in_memory(url: str, empty: Callable[[], str]) -> None:
    @contextmanager
    def open_store() -> Generator[StateStore]:
        with closing(PostgresStorage(url, schema=empty())) as storage:
            yield storage

    case = state_machine_test_case(open_store, max_examples=8, steps=20)
    defaultTestLoader.loadTestsFromTestCase(case).debug()
