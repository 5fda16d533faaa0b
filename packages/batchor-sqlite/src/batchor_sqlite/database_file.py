"""The file of the database: created for its owner alone, and looked at before it is used."""

import os
import sqlite3
import stat
import struct
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from batchor_core.errors import StorageError, StorageVersionError
from batchor_core.private_folder import make_private_folder
from batchor_sql.migrations import newest
from batchor_sql.storage_errors import storage_error

APPLICATION_ID = 0x62746368
"""In the header of every file of ours: "btch"."""

_CHECKED_MAX_BYTES = 16 * 1024 * 1024

_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_JOURNAL_HEADER = struct.Struct(">8s8xL")
"""The magic number, and how many pages the database had before the transaction."""


def require_file(path: Path) -> None:
    """`StorageError` when there is no database at *path*."""
    if not path.is_file():
        raise StorageError(f"{path}: there is no database; give the path or name with which the run was started")


def create_file(path: Path) -> None:
    """Create the folder (0700) and an empty file (0600), unless they exist; a link is refused.

    SQLite gives -wal and -shm the mode of the file, but would make the file itself readable for all.
    """
    try:
        make_private_folder(path.parent)
        # With O_EXCL a link is never followed, and of two processes one creates.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
    except OSError as error:
        raise StorageError(
            f"{path}: the database cannot be created ({error.strerror}); give a path in a folder that you may write to"
        ) from error


def check_file(path: Path, *, lock_timeout_s: float) -> None:
    """Refuse, without a change to it, a file that is not a database of this batchor or an older one.

    A small file, or one that is about to be migrated, is also checked for damage; a large one is not,
    for that reads all of it.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise StorageError(f"{path}: this is a link or no plain file; give the path of the database itself")
    if _is_empty(path):
        return
    try:
        # A read-only connection writes nothing, not even the checkpoint that others make when they close.
        with closing(sqlite3.connect(_read_only_uri(path), uri=True, timeout=lock_timeout_s)) as connection:
            _check_content(connection, path)
    except sqlite3.Error as error:
        raise storage_error(error, place=str(path)) from error


def _is_empty(path: Path) -> bool:
    """Whether nothing is stored yet; what is committed may still stand in the -wal file alone."""
    if path.stat().st_size == 0:
        wal = path.with_name(path.name + "-wal")
        return not (wal.exists() and wal.stat().st_size)
    return _was_empty(path)


def _was_empty(path: Path) -> bool:
    """Whether the first transaction was cut off, as by a kill in the switch to WAL; the next writer undoes it.

    The journal's header is that of https://www.sqlite.org/fileformat2.html#the_rollback_journal.
    """
    try:
        with path.with_name(path.name + "-journal").open("rb") as journal:
            header = journal.read(_JOURNAL_HEADER.size)
    except FileNotFoundError:
        return False
    return len(header) == _JOURNAL_HEADER.size and _JOURNAL_HEADER.unpack(header) == (_JOURNAL_MAGIC, 0)


def _read_only_uri(path: Path) -> str:
    return f"file:{quote(str(path))}?mode=ro"


def _check_content(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id != APPLICATION_ID and (tables or application_id):
        raise StorageError(
            f"{path}: this SQLite file belongs to another program; give another path, it was not touched"
        )
    if tables:
        _check_ours(connection, path)


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("SELECT version FROM schema_version").fetchone()
    if version > newest():
        raise StorageVersionError(str(path), found=version, supported=newest())
    if version < newest() or path.stat().st_size <= _CHECKED_MAX_BYTES:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StorageError(
                f"{path}: the database is damaged ({verdict}); nothing was changed; copy it away with its -wal file, "
                "then restore it from a backup or with the sqlite3 command .recover"
            )
