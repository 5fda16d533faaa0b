"""The state store on an SQLAlchemy engine."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine

from batchor_core.errors import StorageError
from batchor_core.failpoints import around
from batchor_sql.dialects import traits_of
from batchor_sql.migrations import Change, migrate
from batchor_sql.scope import Scope
from batchor_sql.statements import compile_statements
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
        self._statements = compile_statements(engine.dialect)
        self._run_keys: dict[str, int] = {}
        self._thread = threading.local()
        explain_errors(engine, place=place)

    def migrate(self, *, when_new: Change | None = None) -> None:
        """Bring the database to the newest schema; `StorageVersionError`, untouched, when it is newer already."""
        migrate(self._engine, place=self._place, when_new=when_new)

    @contextmanager
    def transaction(self) -> Generator[SqlUnitOfWork]:
        with self._not_nested(), self._engine.connect() as connection:
            changes = connection.begin()
            try:
                yield self._unit_of_work(connection)
                with around("state.commit"):
                    changes.commit()
            except BaseException:
                # After a commit that went well nothing is left to undo.
                if changes.is_active:
                    changes.rollback()
                raise

    @contextmanager
    def reading(self) -> Generator[SqlUnitOfWork]:
        with self._engine.connect().execution_options(**self._traits.reading) as connection:
            view = connection.begin()
            try:
                yield self._unit_of_work(connection)
            finally:
                view.rollback()

    @property
    def artifact_root(self) -> Path | None:
        return self._artifact_root

    def now(self, local: datetime) -> datetime:
        if self._traits.clock is None:
            return local
        with self._engine.connect() as connection:
            micros: int = connection.exec_driver_sql(self._traits.clock).scalar_one()
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)

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

    def _unit_of_work(self, connection: Connection) -> SqlUnitOfWork:
        scope = Scope(connection, place=self._place, statements=self._statements, known_run_keys=self._run_keys)
        return SqlUnitOfWork(scope)
