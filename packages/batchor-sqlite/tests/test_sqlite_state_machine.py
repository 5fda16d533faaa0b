from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from batchor_core.ports.state import StateStore
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_machine import state_machine_test_case


@contextmanager
def _open_store() -> Generator[StateStore]:
    with TemporaryDirectory() as folder:
        storage = SQLiteStorage(path=Path(folder) / "state.sqlite3")
        yield storage
        storage.close()


TestSQLiteMachine = state_machine_test_case(_open_store)
