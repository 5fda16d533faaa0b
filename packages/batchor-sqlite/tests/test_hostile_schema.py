"""A database that was made to run something: what its schema names beyond plain SQL is not run."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchor_core.errors import StorageError
from batchor_sqlite import SQLiteStorage
from batchor_sqlite.database_file import APPLICATION_ID
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import start_run

# A function that SQLite does not mark as harmless, as those of loaded extensions are not.
UNMARKED = "fts5_source_id()"


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture(autouse=True)
def _knows_the_function() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(f"SELECT {UNMARKED}")
        except sqlite3.OperationalError:
            pytest.skip("this SQLite was built without the full-text search that has such a function")


def test_a_view_in_place_of_the_version_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    run_sql(
        path,
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"CREATE VIEW schema_version AS SELECT 1 AS version WHERE {UNMARKED} IS NOT NULL",
    )
    before = path.read_bytes()
    storage = SQLiteStorage(path=path)
    with pytest.raises(StorageError, match="unsafe use"), storage.reading():
        pass
    assert path.read_bytes() == before


def test_a_trigger_on_our_own_tables_is_not_run(tmp_path: Path) -> None:
    storage = SQLiteStorage(path=tmp_path / "state.sqlite3")
    start_run(storage, items=3)
    storage.close()
    run_sql(storage.path, f"CREATE TRIGGER spy AFTER INSERT ON run BEGIN SELECT {UNMARKED}; END")
    with pytest.raises(StorageError, match="unsafe use"):
        start_run(storage, items=3, run_id="second")
    with storage.reading() as unit:
        assert [run.run_id for run in unit.runs.page(before=None, limit=9)] == [RUN_ID]
    storage.close()
