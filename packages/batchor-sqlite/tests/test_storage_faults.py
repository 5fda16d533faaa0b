"""What a full disk, a size limit, a lock and missing rights do: a `StorageError`, and nothing that was committed is lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from batchor_core.domain.item import StatusCounts
from batchor_core.errors import StorageError
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID, example_item
from batchor_testkit.state_steps import ingest, start_run


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SQLiteStorage]:
    storage = SQLiteStorage(path=tmp_path / "state.sqlite3", lock_timeout_s=0.1)
    start_run(storage, items=5)
    yield storage
    storage.close()


def _ingest(storage: SQLiteStorage, number: int) -> None:
    with storage.transaction() as unit:
        ingest(unit, number)


def _assert_holds(storage: SQLiteStorage, items: int) -> None:
    with storage.reading() as unit:
        counts = StatusCounts(pending=items)
        assert unit.runs.get(RUN_ID).counts == unit.items.recount(RUN_ID) == counts


def test_a_full_disk_loses_nothing_and_work_goes_on_after_it(storage: SQLiteStorage) -> None:
    def limit(connection: sqlite3.Connection, _entry: object) -> None:
        connection.execute("PRAGMA max_page_count = 60")

    storage.close()
    event.listen(Engine, "connect", limit)
    try:
        with pytest.raises(StorageError, match=r"the disk is full.*safe.*free some space") as caught:
            _ingest(storage, 20_000)
    finally:
        event.remove(Engine, "connect", limit)
    assert str(storage.path) in str(caught.value)
    _assert_holds(storage, 5)
    storage.close()
    _ingest(storage, 20_000)
    _assert_holds(storage, 20_005)


_UNDER_A_SIZE_LIMIT = """
import resource, sys
from batchor_core.errors import StorageError
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_steps import ingest

resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    with SQLiteStorage(path=sys.argv[1]).transaction() as unit:
        ingest(unit, 50_000)
except StorageError as error:
    print(error)
"""


def test_a_limit_of_the_file_size_loses_nothing(storage: SQLiteStorage) -> None:
    storage.close()
    child = [sys.executable, "-c", _UNDER_A_SIZE_LIMIT, str(storage.path)]
    printed = subprocess.run(child, capture_output=True, text=True, check=True).stdout
    assert "the disk refused to read or write" in printed
    _assert_holds(storage, 5)


def test_a_lock_that_is_kept_too_long_is_a_storage_error(storage: SQLiteStorage) -> None:
    with closing(sqlite3.connect(storage.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"kept the database locked.*try again"):
            _ingest(storage, 1)
        other.execute("ROLLBACK")
    _ingest(storage, 1)
    _assert_holds(storage, 6)


def test_readers_do_not_wait_for_a_writer(storage: SQLiteStorage) -> None:
    with storage.transaction() as unit:
        ingest(unit, 5)
        _assert_holds(storage, 5)
    _assert_holds(storage, 10)


def test_text_that_cannot_be_stored_is_a_storage_error(storage: SQLiteStorage) -> None:
    item = example_item(5, segment_id=1, item_id="half \ud800")
    with pytest.raises(StorageError, match="half of a surrogate pair"), storage.transaction() as unit:
        unit.items.append(RUN_ID, [item])


_WITHOUT_RIGHTS = """
import os, sys
from batchor_core.errors import StorageError
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import ingest

storage = SQLiteStorage(path=sys.argv[1], must_exist=True)
if os.geteuid() == 0:
    os.setuid(65534)
try:
    with storage.transaction() as unit:
        ingest(unit, 1)
except StorageError as error:
    print(error)
with storage.reading() as unit:
    print(unit.runs.get(RUN_ID).counts.pending)
"""


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder in which every user may read and make files; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def test_a_file_that_cannot_be_written_is_refused_and_can_still_be_read(readable_folder: Path) -> None:
    storage = SQLiteStorage(path=readable_folder / "state.sqlite3")
    start_run(storage, items=5)
    storage.close()
    storage.path.chmod(0o444)
    child = [sys.executable, "-c", _WITHOUT_RIGHTS, str(storage.path)]
    printed = subprocess.run(child, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    refusal, pending = printed.splitlines()
    assert "cannot be written" in refusal
    assert pending == "5"
