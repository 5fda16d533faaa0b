"""The state in memory: the reference for every other storage, and enough for runs that need not outlive their process."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock

from batchor_core.adapters.memory_facts import StateFacts, UndoJournal
from batchor_core.adapters.memory_logs import (
    MemoryArtifactCatalog,
    MemoryCapacityStore,
    MemoryEventLog,
    MemoryLineageStore,
)
from batchor_core.adapters.memory_stores import (
    MemoryBatchStore,
    MemoryItemStore,
    MemoryResultStore,
    MemoryRetryStore,
    MemoryRunStore,
)
from batchor_core.errors import StorageError


class MemoryUnitOfWork:
    """All stores, inside one transaction."""

    def __init__(self, facts: StateFacts, journal: UndoJournal) -> None:
        self.runs = MemoryRunStore(facts, journal)
        self.items = MemoryItemStore(facts, journal)
        self.lineage = MemoryLineageStore(facts, journal)
        self.batches = MemoryBatchStore(facts, journal)
        self.retries = MemoryRetryStore(facts, journal)
        self.results = MemoryResultStore(facts, journal)
        self.artifacts = MemoryArtifactCatalog(facts, journal)
        self.capacity = MemoryCapacityStore(facts, journal)
        self.events = MemoryEventLog(facts, journal)


class MemoryStateStore:
    """A `StateStore` on dictionaries; everything is gone with the object.

    Transactions and readings run one at a time, whatever run they touch: in memory they are short, and
    a reader that did not wait would see half of a transaction. One thread must not open a second
    one inside the first (`StorageError`).
    """

    def __init__(self) -> None:
        self._facts = StateFacts()
        self._lock = RLock()
        self._in_use = False

    @contextmanager
    def transaction(self) -> Generator[MemoryUnitOfWork]:
        with self._alone():
            journal = UndoJournal(writable=True)
            try:
                yield MemoryUnitOfWork(self._facts, journal)
            except BaseException:
                journal.undo()
                raise
            finally:
                journal.close()

    @contextmanager
    def reading(self) -> Generator[MemoryUnitOfWork]:
        with self._alone():
            yield MemoryUnitOfWork(self._facts, UndoJournal(writable=False))

    @property
    def artifact_root(self) -> Path | None:
        return None

    def now(self, local: datetime) -> datetime:
        return local

    def close(self) -> None:
        """Nothing is open."""

    @contextmanager
    def _alone(self) -> Generator[None]:
        # The lock is reentrant so that a nested block is told so, instead of waiting for itself forever.
        with self._lock:
            if self._in_use:
                raise StorageError("this thread has a transaction or reading open already; end it before the next one")
            self._in_use = True
            try:
                yield
            finally:
                self._in_use = False
