import hashlib
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from batchor_core.errors import ConfigurationError, RunNotFoundError, StorageError, StorageVersionError
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import begin_run, ingest, start_run


def _use(storage: SQLiteStorage) -> None:
    with storage.reading() as unit:
        unit.runs.page(before=None, limit=1)


def _digests(folder: Path) -> dict[str, str]:
    """Every file but the -shm, which is no data and may be made by readers."""
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.endswith("-shm"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.stat().st_size}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite3"


@pytest.fixture
def used(path: Path) -> Path:
    """A database with a run, closed."""
    storage = SQLiteStorage(path=path)
    start_run(storage, items=3)
    storage.close()
    return path


def test_all_files_and_new_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    storage = SQLiteStorage(path=tmp_path / "new" / "deeper" / "state.sqlite3")
    start_run(storage, items=3)
    folder = storage.path.parent
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder.parent, folder, *folder.iterdir()]}
    storage.close()
    assert modes == {
        "new": 0o700,
        "deeper": 0o700,
        "state.sqlite3": 0o600,
        "state.sqlite3-wal": 0o600,
        "state.sqlite3-shm": 0o600,
    }


def test_nothing_is_created_before_the_first_use(tmp_path: Path) -> None:
    SQLiteStorage(path=tmp_path / "new" / "state.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_a_name_stands_in_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert SQLiteStorage("mine").path == tmp_path / "batchor" / "mine.sqlite3"


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "Upper", "a b", "a\n"])
def test_a_name_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for a storage"):
        SQLiteStorage(name)


def test_artifacts_stand_beside_the_database(path: Path) -> None:
    assert SQLiteStorage(path=path).artifact_root == path.parent / "state_artifacts"


def test_the_representation_shows_the_path_alone(path: Path) -> None:
    assert repr(SQLiteStorage(path=path)) == f"SQLiteStorage(path={str(path)!r})"


def test_a_storage_keeps_its_file_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = SQLiteStorage(path=":memory:")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    start_run(storage, items=1)
    storage.close()
    assert (tmp_path / ":memory:").is_file()


def test_a_missing_database_is_refused_where_one_must_exist(path: Path) -> None:
    with pytest.raises(StorageError, match=r"state\.sqlite3: there is no database"):
        SQLiteStorage(path=path, must_exist=True)
    assert not path.exists()


def test_a_database_that_vanished_is_not_created_where_it_must_exist(used: Path) -> None:
    storage = SQLiteStorage(path=used, must_exist=True)
    used.unlink()
    with pytest.raises(StorageError, match="there is no database"):
        _use(storage)
    assert not used.exists()


def test_a_link_is_refused(used: Path) -> None:
    link = used.with_name("link.sqlite3")
    link.symlink_to(used)
    with pytest.raises(StorageError, match="link"):
        _use(SQLiteStorage(path=link))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no plain file"):
        _use(SQLiteStorage(path=tmp_path))


def test_a_folder_that_cannot_be_made_is_a_storage_error(used: Path) -> None:
    with pytest.raises(StorageError, match="cannot be created"):
        _use(SQLiteStorage(path=used / "state.sqlite3"))


def test_an_empty_file_is_taken(path: Path) -> None:
    path.touch()
    storage = SQLiteStorage(path=path)
    start_run(storage, items=1)
    storage.close()


@pytest.mark.parametrize("journal_mode", ["DELETE", "WAL"])
def test_the_database_of_another_program_is_refused_untouched(path: Path, journal_mode: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
        connection.execute("CREATE TABLE cookies (name TEXT)")
        before = _digests(path.parent)
        with pytest.raises(StorageError, match="another program"):
            _use(SQLiteStorage(path=path))
        assert _digests(path.parent) == before


def test_a_cut_off_transaction_of_another_program_is_refused_untouched(path: Path, tmp_path: Path) -> None:
    original = tmp_path / "theirs" / "cookies.sqlite3"
    original.parent.mkdir()
    with closing(sqlite3.connect(original, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
        connection.execute("INSERT INTO cookies VALUES (zeroblob(100000))")
        # With pages of a transaction in the file before its end, as when memory is short.
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE cookies SET name = randomblob(100000)")
        for name in ("", "-journal"):
            path.with_name(path.name + name).write_bytes(original.with_name(original.name + name).read_bytes())
    before = _digests(path.parent)
    with pytest.raises(StorageError, match=r"another program was cut off.*open it once with that program"):
        _use(SQLiteStorage(path=path))
    assert _digests(path.parent) == before


def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_bytes(b"id,text\n" * 1000)
    before = _digests(path.parent)
    with pytest.raises(StorageError, match="no SQLite database"):
        _use(SQLiteStorage(path=path))
    assert _digests(path.parent) == before


def test_a_database_of_a_newer_batchor_is_refused_untouched(used: Path) -> None:
    with closing(sqlite3.connect(used, isolation_level=None)) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    before = _digests(used.parent)
    with pytest.raises(StorageVersionError, match="version 99"):
        _use(SQLiteStorage(path=used))
    assert _digests(used.parent) == before


def test_a_damaged_database_is_refused_with_what_to_do(used: Path) -> None:
    content = bytearray(used.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xff" * 8192
    used.write_bytes(content)
    with pytest.raises(StorageError, match=r"(?s)damaged.*backup"):
        _use(SQLiteStorage(path=used))


def test_a_closed_storage_opens_again(used: Path) -> None:
    storage = SQLiteStorage(path=used)
    _use(storage)
    storage.close()
    with storage.reading() as unit:
        assert unit.runs.get(RUN_ID).ingest.next_index == 3
    storage.close()


def _begin_and_fail(storage: SQLiteStorage, run_id: str) -> None:
    with storage.transaction() as unit:
        begin_run(unit, run_id)
        ingest(unit, 2, run_id=run_id)
        raise ZeroDivisionError


def test_a_run_that_was_rolled_back_is_not_taken_for_the_next_one(path: Path) -> None:
    storage = SQLiteStorage(path=path)
    with pytest.raises(ZeroDivisionError):
        _begin_and_fail(storage, "first")
    start_run(storage, items=5, run_id="second")
    with storage.reading() as unit, pytest.raises(RunNotFoundError):
        unit.items.recount("first")
    storage.close()
