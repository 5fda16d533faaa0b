"""The stores inside a transaction of `MemoryStateStore`."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, pairwise
from operator import attrgetter

from batchor_core.adapters.memory_facts import RunFacts, as_request
from batchor_core.adapters.memory_store import MemoryStore, stored_object, stored_value
from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.chunking import Extent, RequestRef, extent_of
from batchor_core.domain.item import ItemStatus, StatusCounts
from batchor_core.domain.results import FailureCount, ItemFailure, ResultRow, StoredResult
from batchor_core.domain.retry import RetryRow
from batchor_core.domain.run import IngestState, RunRecord
from batchor_core.errors import DuplicateItemIdError, LeaseLostError, RunExistsError, StorageError
from batchor_core.ports.state_records import BatchOutlook, Holding, ItemRow


class MemoryRunStore(MemoryStore):
    """Runs and their counters."""

    def add(self, run: RunRecord) -> None:
        if run.run_id in self._facts.runs:
            raise RunExistsError(run.run_id)
        stored = replace(run, config=stored_object(run.config), ingest=_stored_ingest(run.ingest))
        self._journal.update(self._facts.runs, {run.run_id: RunFacts(stored)})
        self._facts.run_order.add([(run.created_at, run.run_id)], self._journal)

    def get(self, run_id: str) -> RunRecord:
        return self._run(run_id).run

    def lock(self, run_id: str) -> RunRecord:
        return self.get(run_id)

    def save(self, run: RunRecord) -> None:
        facts = self._run(run.run_id)
        old = facts.run
        self._journal.note(partial(setattr, facts, "run", old))
        facts.run = replace(
            run, tag=old.tag, created_at=old.created_at, config=old.config, ingest=_stored_ingest(run.ingest)
        )

    def page(self, *, before: str | None, limit: int) -> Sequence[RunRecord]:
        bound = None if before is None else (self.get(before).created_at, before)
        keys = self._facts.run_order.before(bound, limit=limit)
        return [self._facts.runs[run_id].run for _, run_id in keys]

    def unfinished(self, *, limit: int) -> Sequence[str]:
        found = [facts.run for facts in self._facts.runs.values() if facts.run.finished_at is None]
        return [run.run_id for run in sorted(found, key=attrgetter("created_at", "run_id"))[:limit]]


class MemoryItemStore(MemoryStore):
    """Items, in one list per run."""

    def append(self, run_id: str, items: Sequence[ItemRow]) -> int:
        facts, rows = self._run(run_id), list(items)
        new_ids = _new_ids(run_id, rows, facts.item_ids)
        _require_ascending(run_id, [*facts.items[-1:], *rows])
        self._journal.add_to(facts.item_ids, new_ids)
        self._journal.extend(facts.items, rows)
        return len(rows)

    def requests(self, run_id: str, *, first: int, limit: int) -> Sequence[RequestRef]:
        refs = (as_request(row) for row in self._run(run_id).items_from(first))
        return list(islice((ref for ref in refs if ref is not None), limit))

    def extent(self, run_id: str, *, first: int, limit: int) -> Extent:
        return extent_of(self.requests(run_id, first=first, limit=limit), first=first)

    def page(self, run_id: str, *, first: int, limit: int) -> Sequence[ItemRow]:
        return list(islice(self._run(run_id).items_from(first), limit))

    def holding(self, batch: BatchRecord) -> Holding:
        return self._run(batch.run_id).holding(batch)

    def statuses(self, run_id: str, *, first: int, limit: int) -> Sequence[tuple[int, ItemStatus]]:
        facts = self._run(run_id)
        return list(facts.statuses(islice(facts.items_from(first), limit), self._facts.batches))

    def recount(self, run_id: str) -> StatusCounts:
        facts = self._run(run_id)
        counts = Counter(status.value for _, status in facts.statuses(facts.items, self._facts.batches))
        return StatusCounts(**counts)


class MemoryBatchStore(MemoryStore):
    """Batches, and the leases on them."""

    def add(self, batch: BatchRecord) -> BatchRecord:
        self._run(batch.run_id)
        stored = replace(batch, batch_id=next(self._facts.batch_ids))
        self._facts.store_batch(stored, self._journal)
        return stored

    def lease_due(self, *, run_id: str, owner: str, now: datetime, ttl: timedelta, limit: int) -> Sequence[BatchRecord]:
        batches = self._run(run_id).open_batches.values()
        free = [batch for batch in batches if batch.next_due_at <= now and batch.lease.is_free(now)]
        free.sort(key=attrgetter("next_due_at", "batch_id"))
        leased = [replace(batch, lease=batch.lease.taken(owner, now=now, ttl=ttl)) for batch in free[:limit]]
        for batch in leased:
            self._facts.store_batch(batch, self._journal)
        return leased

    def hold(self, batch: BatchRecord, *, now: datetime, ttl: timedelta) -> BatchRecord:
        stored = self._under_fence(batch)
        held = replace(stored, lease=stored.lease.renewed(now=now, ttl=ttl))
        self._facts.store_batch(held, self._journal)
        return held

    def save(self, batch: BatchRecord) -> None:
        old = self._under_fence(batch)
        kept = replace(batch, batch_key=old.batch_key, first=old.first, last=old.last, created_at=old.created_at)
        self._facts.store_batch(kept, self._journal)

    def get(self, batch_id: int) -> BatchRecord:
        if (found := self._facts.batches.get(batch_id)) is None:
            raise StorageError(
                f"there is no batch {batch_id} in this storage; was it added in a transaction that failed?"
            )
        return found

    def open_batches(self, run_id: str) -> Sequence[BatchRecord]:
        return sorted(self._run(run_id).open_batches.values(), key=attrgetter("batch_id"))

    def outlook(self, run_id: str) -> BatchOutlook:
        batches = self._run(run_id).open_batches.values()
        due_at = min((batch.free_at for batch in batches), default=None)
        return BatchOutlook(due_at, sum(batch.waits_to_be_sent for batch in batches))

    def known(self, run_id: str, provider_batch_ids: Collection[str]) -> frozenset[str]:
        batches = self._facts.batches.values()
        return frozenset(provider_batch_ids) & {
            batch.provider_batch_id for batch in batches if batch.run_id == run_id and batch.provider_batch_id
        }

    def _under_fence(self, batch: BatchRecord) -> BatchRecord:
        stored = self.get(batch.batch_id)
        if stored.lease.fence != batch.lease.fence:
            raise LeaseLostError(f"batch {batch.batch_id} of run {batch.run_id!r}")
        return stored


class MemoryRetryStore(MemoryStore):
    """Items that are to be sent again."""

    def put(self, run_id: str, retries: Sequence[RetryRow]) -> None:
        self._run(run_id).retries.put(retries, self._journal)

    def due(self, run_id: str, *, now: datetime, limit: int) -> Sequence[RequestRef]:
        facts = self._run(run_id)
        indexes: list[int] = []
        for not_before, index in islice(facts.retries.waiting, limit):
            if not_before > now:
                break
            indexes.append(index)
        return facts.requests_of(indexes)

    def bind(self, run_id: str, indexes: Sequence[int], *, batch_id: int) -> None:
        retries = self._run(run_id).retries
        rows = [retries.rows.get(index) for index in indexes]
        unbound = [row for row in rows if row is not None and row.batch_id is None]
        if len(unbound) < len(rows):
            raise StorageError(
                f"run {run_id!r}: {len(rows) - len(unbound)} of the items for batch {batch_id} await no retry; "
                "nothing was written, please report this"
            )
        retries.put([row._replace(batch_id=batch_id) for row in unbound], self._journal)

    def bound(self, batch: BatchRecord) -> Sequence[RequestRef]:
        facts = self._run(batch.run_id)
        return facts.requests_of(sorted(facts.retries.of_batch(batch.batch_id)))

    def rebind(self, *, from_batch: BatchRecord, to_batch: BatchRecord) -> None:
        retries = self._run(from_batch.run_id).retries
        rows = [retries.rows[index] for index in retries.of_batch(from_batch.batch_id)]
        retries.put([row._replace(batch_id=to_batch.batch_id) for row in rows], self._journal)

    def drop(self, run_id: str, indexes: Collection[int]) -> None:
        self._run(run_id).retries.drop(indexes, self._journal)

    def next_due(self, run_id: str) -> datetime | None:
        first = next(iter(self._run(run_id).retries.waiting), None)
        return None if first is None else first[0]


class MemoryResultStore(MemoryStore):
    """Results, by item and by sequence."""

    def append(self, run_id: str, results: Sequence[ResultRow]) -> int:
        facts = self._run(run_id)
        fresh = {row.item_index: row for row in reversed(list(results)) if row.item_index not in facts.results}
        _require_known(run_id, fresh, facts)
        failed = Counter(facts.failures)
        failed.update(_error_class(row) for row in fresh.values() if row.failure)
        self._journal.update(facts.results, fresh)
        self._journal.update(facts.failures, failed)
        facts.result_order.add([(row.sequence, index) for index, row in fresh.items()], self._journal)
        return len(fresh)

    def withdraw(self, run_id: str, *, error_class: str | None, limit: int) -> Sequence[ResultRow]:
        facts = self._run(run_id)
        failed = (row for row in facts.results.values() if row.failure and facts.requests_of([row.item_index]))
        chosen = list(islice((row for row in failed if error_class in {None, _error_class(row)}), limit))
        gone = Counter(map(_error_class, chosen))
        self._journal.remove(facts.results, [row.item_index for row in chosen])
        facts.result_order.discard([(row.sequence, row.item_index) for row in chosen], self._journal)
        self._journal.update(facts.failures, {name: facts.failures[name] - number for name, number in gone.items()})
        return sorted(chosen)

    def get(self, run_id: str, indexes: Collection[int]) -> Sequence[ResultRow]:
        results = self._run(run_id).results
        return [results[index] for index in indexes if index in results]

    def by_index(self, run_id: str, *, first: int, limit: int) -> Sequence[StoredResult]:
        facts = self._run(run_id)
        ended = (row for row in facts.items_from(first) if row.item_index in facts.results)
        return [facts.stored_result(row.item_index) for row in islice(ended, limit)]

    def by_sequence(self, run_id: str, *, after: int, limit: int) -> Sequence[StoredResult]:
        facts = self._run(run_id)
        keys = facts.result_order.behind((after + 1,), limit=limit)
        return [facts.stored_result(index) for _, index in keys]

    def failures(self, run_id: str) -> Sequence[FailureCount]:
        counts = {name: count for name, count in self._run(run_id).failures.items() if count}
        return [FailureCount(name, counts[name]) for name in sorted(counts, key=lambda name: (-counts[name], name))]


def _error_class(row: ResultRow) -> str:
    return "" if row.failure is None else ItemFailure.from_json(row.failure).error_class


def _new_ids(run_id: str, items: Iterable[ItemRow], taken: Collection[str]) -> set[str]:
    new: set[str] = set()
    for row in items:
        if row.item_id in taken or row.item_id in new:
            raise DuplicateItemIdError(run_id, row.item_id, index=row.item_index)
        new.add(row.item_id)
    return new


def _require_ascending(run_id: str, rows: Sequence[ItemRow]) -> None:
    for row, following in pairwise(rows):
        if row.item_index >= following.item_index:
            raise StorageError(
                f"run {run_id!r}: item {following.item_index} was to be stored behind item {row.item_index}; "
                "nothing was written, please report this"
            )


def _require_known(run_id: str, indexes: Iterable[int], facts: RunFacts) -> None:
    for index in indexes:
        if facts.item(index) is None:
            raise StorageError(
                f"run {run_id!r}: a result was to be stored for item {index}, which does not exist; "
                "nothing was written, please report this"
            )


# What is read back is what JSON gives back, as from any other storage, and not an object that the caller may still change.


def _stored_ingest(ingest: IngestState) -> IngestState:
    return replace(ingest, source=stored_object(ingest.source), checkpoint=stored_value(ingest.checkpoint))
