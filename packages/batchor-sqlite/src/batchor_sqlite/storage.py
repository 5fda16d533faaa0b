"""The state store in one SQLite file."""

import re
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from threading import Lock

from platformdirs import user_data_path
from sqlalchemy import Connection

from batchor_core.errors import ConfigurationError
from batchor_core.ports.state import UnitOfWork
from batchor_sql import SqlStateStore
from batchor_sqlite.database_file import APPLICATION_ID, check_file, create_file, require_file
from batchor_sqlite.engine import make_engine, switch_to_wal

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)


class SQLiteStorage:
    """Runs in one SQLite file: `StateStore` for one host, several processes and threads at once.

    Without *path*, the file is `<name>.sqlite3` in the user's data folder for batchor; *name* is made of
    `a-z 0-9 . _ -`. The file is opened, created or migrated by the first use; with *must_exist*, a
    missing one raises `StorageError` at once. A transaction waits up to *lock_timeout_s* seconds for its turn.

    A process that forks should do so outside of transactions; its child opens connections of its own.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        path: Path | str | None = None,
        must_exist: bool = False,
        lock_timeout_s: float = 30.0,
    ) -> None:
        # Absolute, so that a change of the working folder moves nothing and ":memory:" is a file like others.
        self._path = (_default_path(name) if path is None else Path(path)).absolute()
        self._must_exist = must_exist
        self._lock_timeout_s = lock_timeout_s
        self._opening = Lock()
        self._store: SqlStateStore | None = None
        if must_exist:
            require_file(self._path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={str(self._path)!r})"

    @property
    def path(self) -> Path:
        """The file, absolute."""
        return self._path

    @property
    def artifact_root(self) -> Path | None:
        return self._path.with_name(f"{self._path.stem}_artifacts")

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        return self._opened().transaction()

    def reading(self) -> AbstractContextManager[UnitOfWork]:
        return self._opened().reading()

    def now(self, local: datetime) -> datetime:
        return local

    def close(self) -> None:
        with self._opening:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _opened(self) -> SqlStateStore:
        store = self._store
        if store is None:
            with self._opening:
                store = self._store = self._store or self._open()
        return store

    def _open(self) -> SqlStateStore:
        if self._must_exist:
            require_file(self._path)
        else:
            create_file(self._path)
        check_file(self._path, lock_timeout_s=self._lock_timeout_s)
        switch_to_wal(self._path, lock_timeout_s=self._lock_timeout_s)
        store = SqlStateStore(
            make_engine(self._path, lock_timeout_s=self._lock_timeout_s),
            place=str(self._path),
            artifact_root=self.artifact_root,
        )
        store.migrate(when_new=_sign)
        return store


def _default_path(name: str) -> Path:
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} is no name for a storage: use a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit; "
            "give a file as path="
        )
    return user_data_path("batchor") / f"{name}.sqlite3"


def _sign(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
