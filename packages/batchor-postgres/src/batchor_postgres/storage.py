"""The state store in a PostgreSQL database."""

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine

from batchor_core.errors import ConfigurationError
from batchor_core.ports.state import UnitOfWork
from batchor_postgres.address import parse_schema, parse_url, place_of
from batchor_postgres.engine import make_engine
from batchor_sql import SqlStateStore

# Of CREATE SCHEMA alone: two that do it at once would clash, IF NOT EXISTS or not.
_SCHEMA_LOCK = "SELECT pg_advisory_xact_lock(7092181936213157220)"
_SCHEMA_EXISTS = "SELECT 1 FROM pg_namespace WHERE nspname = %s"


class PostgresStorage:
    """Runs in one schema of a PostgreSQL database: `StateStore` for any number of processes on any number of hosts.

    *url* is `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, with the options of libpq behind a `?`; without it,
    BATCHOR_STORAGE_URL is read. The schema and its tables are created or migrated by the first use.

    *artifact_root* is the folder for request and answer files. All workers must share it; where they share an object
    store instead, give that to the runner. A storage without one refuses to be asked for it: artifacts in memory would
    be gone with the process, while the runs that need them stay.

    Up to *pool_size* connections are kept; as many as threads work at once are opened. A server that has not answered
    for *timeout_s* seconds, or a lock that is not free for three quarters of that, is a `StorageUnavailableError`;
    what was under way is undone, and can be done again. Transactions that stand still for three times as long are
    ended by the server, so that a frozen worker holds nobody up.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        schema: str = "batchor",
        artifact_root: Path | str | None = None,
        pool_size: int = 5,
        timeout_s: float = 20.0,
    ) -> None:
        self._url = parse_url(url)
        self._schema = parse_schema(schema)
        self._artifact_root = None if artifact_root is None else Path(artifact_root).absolute()
        self._pool_size = pool_size
        self._timeout_s = timeout_s
        self._opening = Lock()
        self._store: SqlStateStore | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.place}>"

    @property
    def place(self) -> str:
        """Where it is, without user and password."""
        return place_of(self._url, schema=self._schema)

    @property
    def artifact_root(self) -> Path | None:
        if self._artifact_root is None:
            raise ConfigurationError(
                f"{self.place}: there is no place for the artifacts of its runs; give artifact_root= a folder that all "
                "workers share, or give the runner an artifact store (BATCHOR_ARTIFACTS)"
            )
        return self._artifact_root

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        return self._opened().transaction()

    def reading(self) -> AbstractContextManager[UnitOfWork]:
        return self._opened().reading()

    def now(self, local: datetime) -> datetime:
        return self._opened().now(local)

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
        engine = make_engine(self._url, schema=self._schema, pool_size=self._pool_size, timeout_s=self._timeout_s)
        store = SqlStateStore(engine, place=self.place, artifact_root=self._artifact_root)
        try:
            self._prepare(engine)
            store.migrate()
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self, engine: Engine) -> None:
        """Refuse a database that cannot hold every text, and make the schema where it is missing."""
        with engine.begin() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
            if encoding != "UTF8":
                raise ConfigurationError(
                    f"{self.place}: the database is in {encoding}; create one with ENCODING 'UTF8'"
                )
            if not self._has_schema(connection):
                connection.exec_driver_sql(_SCHEMA_LOCK)
                connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"')

    def _has_schema(self, connection: Connection) -> bool:
        return connection.exec_driver_sql(_SCHEMA_EXISTS, (self._schema,)).first() is not None
