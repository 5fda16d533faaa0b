"""The engine recipe: what makes SQLite safe for several processes, and durable at each commit."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from batchor_sql.storage_errors import storage_error

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    # One fsync per commit: what a commit has promised survives a power loss.
    "PRAGMA synchronous = FULL",
    # Functions and virtual tables that a foreign schema may name are not run.
    "PRAGMA trusted_schema = OFF",
    # 8 MiB for each connection, of which a process has several: where item ids come in no order, their index is written
    # all over. With the default of 2 MiB that costs a fifth more; twice as much gains a twentieth.
    "PRAGMA cache_size = -8192",
    # 32 MiB of -wal before it is copied back, automatically: pages that several slices touch are copied once.
    "PRAGMA wal_autocheckpoint = 8192",
)

_engines: WeakSet[Engine] = WeakSet()


def make_engine(path: Path, *, lock_timeout_s: float) -> Engine:
    """An engine on an existing file; threads get a connection each."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={
            "isolation_level": None,
            "autocommit": sqlite3.LEGACY_TRANSACTION_CONTROL,
            "timeout": lock_timeout_s,
        },
        # A bounded pool would let threads wait for each other's reads.
        max_overflow=-1,
        # The last one that was given back has the pages in its cache; one after the other would fill all their caches.
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    _engines.add(engine)
    return engine


def switch_to_wal(path: Path, *, lock_timeout_s: float) -> None:
    """Let readers and a writer work side by side; stays with the file."""
    deadline = time.monotonic() + lock_timeout_s
    while not _is_wal(path, lock_timeout_s=lock_timeout_s, deadline=deadline):
        time.sleep(0.01)


def _is_wal(path: Path, *, lock_timeout_s: float, deadline: float) -> bool:
    """Switch, unless another process switches at this moment: for that SQLite does not wait, whatever the timeout."""
    try:
        with closing(sqlite3.connect(path, timeout=lock_timeout_s)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        if error.sqlite_errorname == "SQLITE_BUSY" and time.monotonic() < deadline:
            return False
        raise storage_error(error, place=str(path)) from error
    return True


def _on_connect(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    del entry
    with closing(connection.cursor()) as cursor:
        for pragma in _PRAGMAS:
            cursor.execute(pragma)


def _on_begin(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for its turn: it fails with "database is
    # locked", or claims what another has claimed. So whoever may write takes its turn at once.
    reading = connection.get_execution_options().get("batchor_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _forget_connections() -> None:
    """A forked child must not touch its parent's connections: SQLite's locks would break in both."""
    for engine in _engines:
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
