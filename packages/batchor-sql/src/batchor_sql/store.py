"""The state store on an SQLAlchemy engine."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, Transaction, event

from batchor_core.errors import StorageError
from batchor_core.failpoints import around
from batchor_sql.bulk import bulk_writer
from batchor_sql.dialects import traits_of
from batchor_sql.migrations import Change, migrate
from batchor_sql.scope import Scope
from batchor_sql.server_clock import ServerClock
from batchor_sql.storage_errors import explain_errors
from batchor_sql.unit_of_work import SqlUnitOfWork


class SqlStateStore:
    """`StateStore` in SQL.

    *place* names the database in errors, without a password. The engine is this store's own:
    its driver's errors become `StorageError`s, and `close` disposes of it.
    """

    def __init__(self, engine: Engine, *, place: str, artifact_root: Path | None = None) -> None:
        self._engine = engine
        self._place = place
        self._artifact_root = artifact_root
        self._traits = traits_of(engine.dialect)
        self._bulk = bulk_writer(engine)
        self._clock = ServerClock(self._ask_clock)
        self._run_keys: dict[str, int] = {}
        self._thread = threading.local()
        explain_errors(engine, place=place)
        # A new connection may lead to another server: a standby that has taken over.
        event.listen(engine, "connect", lambda *_: self._clock.doubt())

    def migrate(self, *, when_new: Change | None = None) -> None:
        """Bring the database to the newest schema; `StorageVersionError`, untouched, when it is newer already."""
        migrate(self._engine, place=self._place, when_new=when_new)

    @contextmanager
    def transaction(self) -> Generator[SqlUnitOfWork]:
        with self._not_nested(), self._engine.connect() as connection:
            changes = connection.begin()
            try:
                yield self._unit_of_work(connection, writes=True)
                with around("state.commit"):
                    changes.commit()
            except BaseException:
                # After a commit that went well nothing is left to undo.
                if changes.is_active:
                    _undo(changes)
                raise

    @contextmanager
    def reading(self) -> Generator[SqlUnitOfWork]:
        with self._engine.connect().execution_options(**self._traits.reading) as connection:
            view = connection.begin()
            try:
                yield self._unit_of_work(connection, writes=False)
            finally:
                _undo(view)

    @property
    def artifact_root(self) -> Path | None:
        return self._artifact_root

    def now(self, local: datetime) -> datetime:
        return local if self._traits.clock is None else self._clock.now(local)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _not_nested(self) -> Generator[None]:
        """Refuse a transaction inside another: it would wait for the outer one, which waits for it."""
        if getattr(self._thread, "writes", False):
            raise StorageError(f"{self._place}: this thread has a transaction open already; end it before the next one")
        self._thread.writes = True
        try:
            yield
        finally:
            self._thread.writes = False

    def _ask_clock(self) -> tuple[int, float]:
        """The server's microseconds since the epoch, and the seconds that the question took."""
        assert self._traits.clock is not None  # noqa: S101  `now` has looked
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            asked_s = time.monotonic()
            micros: int = connection.exec_driver_sql(self._traits.clock).scalar_one()
            return micros, time.monotonic() - asked_s

    def _unit_of_work(self, connection: Connection, *, writes: bool) -> SqlUnitOfWork:
        scope = Scope(connection, writes=writes, place=self._place, bulk=self._bulk, known_run_keys=self._run_keys)
        return SqlUnitOfWork(scope)


def _undo(changes: Transaction) -> None:
    # A connection that is lost has undone them, and the error of the block is the one to be told.
    with suppress(StorageError):
        changes.rollback()
