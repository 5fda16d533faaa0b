"""The durable state of all runs: small stores inside one transaction.

Facts are appended; an item's status is derived from them (`batchor_core.domain.item.derive_status`) and stored
nowhere. No method handles one item at a time. Callers keep the order batch, run, capacity when they hold and
lock, and do so before they write; so two transactions on one run never interleave, and none waits for the other.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.capacity import CapacityRecord
from batchor_core.domain.chunking import Extent, RequestRef
from batchor_core.domain.events import RunEvent
from batchor_core.domain.item import ItemStatus, StatusCounts
from batchor_core.domain.lineage import LineageSpan
from batchor_core.domain.results import FailureCount, ResultRow, StoredFields
from batchor_core.domain.retry import RetryRow
from batchor_core.domain.run import RunRecord
from batchor_core.ports.state_records import ArtifactRecord, BatchOutlook, Holding, ItemRow


class RunStore(Protocol):
    """Runs and their counters."""

    def add(self, run: RunRecord) -> None:
        """Store a new run; `RunExistsError` when its id is taken."""
        ...

    def get(self, run_id: str) -> RunRecord:
        """`RunNotFoundError`, with the nearest ids, when there is none."""
        ...

    def lock(self, run_id: str) -> RunRecord:
        """Like `get`, and nobody else changes the run until this transaction ends."""
        ...

    def save(self, run: RunRecord) -> None:
        """Write what may change of a locked run: everything but `run_id`, `tag`, `created_at` and `config`."""
        ...

    def page(self, *, before: str | None, limit: int) -> Sequence[RunRecord]:
        """Runs, newest first; *before* is the last run id of the page before."""
        ...

    def unfinished(self, *, limit: int) -> Sequence[str]:
        """The ids of up to *limit* runs without `finished_at`, oldest first; paused ones too."""
        ...


class ItemStore(Protocol):
    """Items: immutable once they are appended."""

    def append(self, run_id: str, items: Sequence[ItemRow]) -> int:
        """Store new items, indexes ascending; the number stored. Runs give them as `RowColumns`.

        `DuplicateItemIdError` when an id is taken in this run, and the transaction must then be left.
        """
        ...

    def requests(self, run_id: str, *, first: int, limit: int) -> Sequence[RequestRef]:
        """The requests of up to *limit* items with index >= *first*, ascending; items that can't be sent are left out."""
        ...

    def extent(self, run_id: str, *, first: int, limit: int) -> Extent:
        """What `requests` would give, taken together and without handing over a row for each."""
        ...

    def page(self, run_id: str, *, first: int, limit: int) -> Sequence[ItemRow]:
        """Up to *limit* items with index >= *first*, ascending."""
        ...

    def holding(self, batch: BatchRecord) -> Holding:
        """The items that the batch still holds and that have no result.

        Those are the items of its range that have a request and no retry row, and those
        whose retry row names it. Nothing once the batch has ended: its successor, or nobody, holds them then.
        """
        ...

    def statuses(self, run_id: str, *, first: int, limit: int) -> Sequence[tuple[int, ItemStatus]]:
        """The derived status of items by index; for audits and operators, not for hot paths."""
        ...

    def recount(self, run_id: str) -> StatusCounts:
        """The counters as the facts give them: a full scan, for audits."""
        ...


class LineageStore(Protocol):
    """Where items come from: one span where the sequence changes, not a row for each item."""

    def append(self, run_id: str, spans: Sequence[LineageSpan]) -> None:
        """Store new spans, ascending and behind those that are stored."""
        ...

    def spans(self, run_id: str, *, first: int, last: int) -> Sequence[LineageSpan]:
        """The spans that tell of the items with *first* <= index < *last*, ascending.

        That is the last one that begins at *first* or before, if any does, and those that begin between the two.
        """
        ...


class BatchStore(Protocol):
    """Batches of all runs, and the leases on them."""

    def add(self, batch: BatchRecord) -> BatchRecord:
        """Store an intent; the record with its `batch_id`."""
        ...

    def lease_due(self, *, run_id: str, owner: str, now: datetime, ttl: timedelta, limit: int) -> Sequence[BatchRecord]:
        """Take up to *limit* open batches of the run that are due and whose lease is free or expired, the longest due first.

        No batch is handed to two owners while its lease lives. Each take-over raises the fence by one.
        """
        ...

    def hold(self, batch: BatchRecord, *, now: datetime, ttl: timedelta) -> BatchRecord:
        """Renew the lease under *batch*'s fence, as the first write of a transaction; the batch as it is stored now.

        `LeaseLostError`, and the transaction must be left, when another worker has taken it over.
        """
        ...

    def save(self, batch: BatchRecord) -> None:
        """Write what may change of a batch, its lease included, under its fence; else `LeaseLostError`."""
        ...

    def get(self, batch_id: int) -> BatchRecord: ...

    def open_batches(self, run_id: str) -> Sequence[BatchRecord]:
        """Batches that are neither collected nor abandoned, oldest first.

        Within `transaction()`, nobody else changes them until it ends.
        """
        ...

    def outlook(self, run_id: str) -> BatchOutlook:
        """What the run's open batches need next.

        Asked between any two steps of a run: a database must find it by index, and not read every open batch.
        """
        ...

    def known(self, run_id: str, provider_batch_ids: Collection[str]) -> frozenset[str]:
        """Those of the provider's batch ids that a batch of the run has."""
        ...


class RetryStore(Protocol):
    """Items that are to be sent again: exceptions only, one row per item."""

    def put(self, run_id: str, retries: Sequence[RetryRow]) -> None:
        """Store or replace the rows of these items."""
        ...

    def due(self, run_id: str, *, now: datetime, limit: int) -> Sequence[RequestRef]:
        """The requests of unbound retries with `not_before` <= *now*, the longest due first."""
        ...

    def bind(self, run_id: str, indexes: Sequence[int], *, batch_id: int) -> None:
        """Give unbound retries to a batch."""
        ...

    def bound(self, batch: BatchRecord) -> Sequence[RequestRef]:
        """The requests of the retries that are bound to the batch, by index."""
        ...

    def rebind(self, *, from_batch: BatchRecord, to_batch: BatchRecord) -> None:
        """Give all retries of one batch to its successor."""
        ...

    def drop(self, run_id: str, indexes: Collection[int]) -> None:
        """Remove the rows of items that have ended."""
        ...

    def next_due(self, run_id: str) -> datetime | None:
        """When the next unbound retry is due; None when there is none."""
        ...


class ResultStore(Protocol):
    """Results: appended once, read by cursor."""

    def append(self, run_id: str, results: Sequence[ResultRow]) -> int:
        """Store results of items that have none, indexes ascending; the number stored. Runs give them as `RowColumns`.

        An item that has a result keeps it; its row here is not stored and not counted.
        """
        ...

    def withdraw(self, run_id: str, *, error_class: str | None, limit: int) -> Sequence[ResultRow]:
        """Remove results of failed items that have a request, of *error_class* or of any, up to *limit*; what they were.

        The items are then without a result. Only an operator's retry asks for this.
        """
        ...

    def get(self, run_id: str, indexes: Collection[int]) -> Sequence[ResultRow]:
        """The results of those items as they were appended, in any order; items without one are left out."""
        ...

    def by_index(self, run_id: str, *, first: int, limit: int) -> Sequence[StoredFields]:
        """Results of items with index >= *first*, in input order; each a `StoredResult`, or its fields as a plain tuple."""
        ...

    def by_sequence(self, run_id: str, *, after: int, limit: int) -> Sequence[StoredFields]:
        """Results with sequence > *after*, in the order in which they ended; each as `by_index` gives it."""
        ...

    def failures(self, run_id: str) -> Sequence[FailureCount]:
        """How many items failed in which way, most first."""
        ...


class ArtifactCatalog(Protocol):
    """What the state knows of the artifact store's objects."""

    def add(self, artifact: ArtifactRecord) -> ArtifactRecord:
        """Store it; the record with its `artifact_id`."""
        ...

    def save(self, artifact: ArtifactRecord) -> None:
        """Write `size_bytes`, `lines`, `sha256` and `state`."""
        ...

    def get(self, artifact_ids: Collection[int]) -> Sequence[ArtifactRecord]:
        """Those artifacts, in any order; unknown ids are left out."""
        ...

    def of_run(self, run_id: str) -> Sequence[ArtifactRecord]:
        """All of a run's artifacts, oldest first."""
        ...


class CapacityStore(Protocol):
    """Enqueued tokens, by scope: shared by all runs of this storage."""

    def get(self, scope: str) -> CapacityRecord:
        """The scope's record, a new one where there is none."""
        ...

    def lock(self, scope: str) -> CapacityRecord:
        """Like `get`, and nobody else changes it until this transaction ends."""
        ...

    def save(self, capacity: CapacityRecord) -> None:
        """Write a locked record."""
        ...


class EventLog(Protocol):
    """Events that are worth keeping: what an operator asks about afterwards."""

    def append(self, events: Sequence[RunEvent]) -> None: ...

    def read(self, run_id: str, *, after: int, limit: int) -> Sequence[tuple[int, RunEvent]]:
        """Events with their sequence numbers > *after*, ascending.

        Where several workers write at once, an event may appear behind one with a greater number.
        """
        ...


class UnitOfWork(Protocol):
    """All stores, inside one transaction."""

    @property
    def runs(self) -> RunStore: ...
    @property
    def items(self) -> ItemStore: ...
    @property
    def lineage(self) -> LineageStore: ...
    @property
    def batches(self) -> BatchStore: ...
    @property
    def retries(self) -> RetryStore: ...
    @property
    def results(self) -> ResultStore: ...
    @property
    def artifacts(self) -> ArtifactCatalog: ...
    @property
    def capacity(self) -> CapacityStore: ...
    @property
    def events(self) -> EventLog: ...


class StateStore(Protocol):
    """Where runs live. Safe for use by several threads at once; each transaction belongs to one thread."""

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        """Begin to write: committed and durable when the block ends well, undone when it raises.

        Writers exclude each other as far as they touch the same run or batch. Not to be nested.
        """
        ...

    def reading(self) -> AbstractContextManager[UnitOfWork]:
        """A consistent view for reading; writes in it are refused or undone.

        In a store that several processes share, it waits for no writer.
        """
        ...

    @property
    def artifact_root(self) -> Path | None:
        """The folder for the artifacts of its runs, unless the runner is given a store; None: keep them in memory.

        `ConfigurationError` where there is no such place, because hosts share the store and not their folders.
        """
        ...

    def now(self, local: datetime) -> datetime:
        """The time by which leases are judged: *local*, or the server's own where several hosts share the store."""
        ...

    def close(self) -> None: ...
