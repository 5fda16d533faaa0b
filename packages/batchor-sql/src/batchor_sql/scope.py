"""What the stores of one transaction share."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import batched
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, and_, select

from batchor_core.errors import RunNotFoundError, StorageError
from batchor_sql.bulk import BulkWriter
from batchor_sql.keys import NUMBERS, key_of
from batchor_sql.schema import run
from batchor_sql.storage_errors import storage_error

# Databases bound the number of variables in one statement, SQLite's oldest at 999.
_MAX_VARIABLES = 500
_NEAREST_AMONG = 1_000


def in_slices[T](values: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """*values* in slices that fit one IN list."""
    return batched(values, _MAX_VARIABLES)


class Scope:
    """A connection inside a transaction, and the run keys that are known in it."""

    def __init__(
        self, connection: Connection, *, writes: bool, place: str, bulk: BulkWriter, known_run_keys: dict[str, int]
    ) -> None:
        self.connection = connection
        self.writes = writes
        self.place = place
        self.bulk = bulk
        self._known = known_run_keys
        self._driver_error: type[Exception] = connection.dialect.loaded_dbapi.Error
        # A run that is added here exists for others only after the commit: its key must not get into
        # the shared cache, for a rolled-back key is given to another run.
        self._added: dict[str, int] = {}

    def rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[tuple[Any, ...]]:
        """All rows at once, as the driver gives them: without conversion of columns that have a type of their own.

        For reads of many rows: one by one, as SQLAlchemy's rows, they cost twice as much.
        """
        result = self.connection.execute(statement, values)
        try:
            cursor: Any = result.cursor
            found: Sequence[tuple[Any, ...]] = cursor.fetchall()
        except self._driver_error as error:
            raise storage_error(error, place=self.place) from error
        finally:
            result.close()
        return found

    def run_key(self, run_id: str) -> int:
        """The integer key of a run; `RunNotFoundError` when there is none."""
        key = self._added.get(run_id) or self._known.get(run_id)
        return key or self._look_up(run_id)

    def bound(self, run_id: str, number: int) -> int:
        """The key of any number, to compare the run's keys with; see `key_of`."""
        return key_of(self.run_key(run_id), number)

    def keys(self, run_id: str, numbers: Sequence[int]) -> list[int]:
        """The keys of the run's rows with these numbers; `StorageError` where a number is too large to have one."""
        if (largest := max(numbers, default=0)) >= NUMBERS:
            raise StorageError(
                f"{self.place}: run {run_id!r} has no room for number {largest}: its items and its results are "
                f"numbered from 0 to {NUMBERS - 1}; nothing was written; start another run for the rest of the input"
            )
        return list(map(self.bound(run_id, 0).__add__, numbers))

    def of_range(
        self, key: ColumnElement[int], run_id: str, *, first: int = 0, last: int = NUMBERS
    ) -> ColumnElement[bool]:
        """Whether *key* is one of the run's, of a number from *first* to below *last*."""
        return and_(key >= self.bound(run_id, first), key < self.bound(run_id, last))

    def added(self, run_id: str, key: int) -> None:
        """Remember a run that this transaction has added."""
        self._added[run_id] = key

    def _look_up(self, run_id: str) -> int:
        key: int | None = self.connection.execute(select(run.c.run_key).where(run.c.run_id == run_id)).scalar()
        if key is None:
            raise RunNotFoundError(run_id, nearest=self._nearest(run_id))
        self._known[run_id] = key
        return key

    def _nearest(self, run_id: str) -> list[str]:
        newest = select(run.c.run_id).order_by(run.c.run_key.desc()).limit(_NEAREST_AMONG)
        return get_close_matches(run_id, self.connection.execute(newest).scalars())
