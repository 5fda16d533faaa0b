"""A state store that proves at every commit what must hold at every commit."""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import RLock

from batchor_core.domain.batch import BatchRecord, BatchState
from batchor_core.domain.item import TRANSITIONS, ItemEvent, ItemStatus, StatusCounts
from batchor_core.domain.run import RunRecord
from batchor_core.ports.state import StateStore, UnitOfWork

_ALL = 1_000_000
_BORN = frozenset({ItemStatus.PENDING, ItemStatus.FAILED_PERMANENT})
_TOGETHER = ((ItemEvent.REQUEUE, ItemEvent.CLAIM), (ItemEvent.RELEASE, ItemEvent.CANCEL))
"""Events that may happen to an item in one transaction; all others come alone."""
_NOT_COLLECTED_YET = frozenset(BatchState) - {BatchState.ENDED, BatchState.COLLECTED, BatchState.ABANDONED}


def _reached_from(status: ItemStatus) -> frozenset[ItemStatus]:
    """Where one transaction may lead an item from *status*."""
    alone = {target for (source, _), target in TRANSITIONS.items() if source is status}
    together = {
        TRANSITIONS[TRANSITIONS[status, first], second] for first, second in _TOGETHER if (status, first) in TRANSITIONS
    }
    return frozenset(alone | together)


REACHED_FROM: Mapping[ItemStatus, frozenset[ItemStatus]] = {status: _reached_from(status) for status in ItemStatus}


class InvariantBrokenError(AssertionError):
    """A transaction was about to leave the state as it must never be."""


type Report = Callable[[str], None]


def _raise(breach: str) -> None:
    raise InvariantBrokenError(breach)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a later commit is compared with, of one run."""

    statuses: Mapping[int, ItemStatus] = field(default_factory=dict)
    remote_ids: Mapping[int, str] = field(default_factory=dict)
    """The provider's id of each batch that ever was seen with one."""
    fences: Mapping[int, int] = field(default_factory=dict)


class CheckedStore:
    """A `StateStore` around another, whose transactions are checked right before they commit.

    *report* is told of each breach; by default it raises `InvariantBrokenError`, and nothing is committed. *scope_of*
    names the quota scope of a run; None: reservations are not checked. Writers take turns.
    """

    def __init__(
        self, inner: StateStore, *, scope_of: Callable[[RunRecord], str] | None = None, report: Report = _raise
    ) -> None:
        self._inner = inner
        self._scope_of = scope_of
        self._report = report
        self._seen: dict[str, _Seen] = {}
        # Reentrant, so that the inner store is the one to refuse a nested transaction.
        self._lock = RLock()

    @contextmanager
    def transaction(self) -> Generator[UnitOfWork]:
        with self._lock:
            with self._inner.transaction() as uow:
                yield uow
                seen = self._check(uow)
            self._seen = seen

    def reading(self) -> AbstractContextManager[UnitOfWork]:
        return self._inner.reading()

    @property
    def artifact_root(self) -> Path | None:
        return self._inner.artifact_root

    def now(self, local: datetime) -> datetime:
        return self._inner.now(local)

    def close(self) -> None:
        self._inner.close()

    def _check(self, uow: UnitOfWork) -> dict[str, _Seen]:
        seen: dict[str, _Seen] = {}
        reserved: Counter[str] = Counter()
        for run in uow.runs.page(before=None, limit=_ALL):
            batches = uow.batches.open_batches(run.run_id)
            seen[run.run_id] = self._check_run(uow, run, batches, self._seen.get(run.run_id, _Seen()))
            if self._scope_of is not None:
                reserved[self._scope_of(run)] += sum(batch.reserved_tokens for batch in batches)
        for scope, tokens in reserved.items():
            stored = uow.capacity.get(scope).reserved
            if stored != tokens:
                self._report(f"scope {scope!r} has {stored} tokens reserved, its open batches {tokens}")
        return seen

    def _check_run(self, uow: UnitOfWork, run: RunRecord, batches: Sequence[BatchRecord], before: _Seen) -> _Seen:
        statuses = dict(uow.items.statuses(run.run_id, first=0, limit=_ALL))
        self._check_counters(run, statuses)
        self._check_changes(run, before.statuses, statuses)
        self._check_holders(uow, run, batches)
        fences = {**before.fences, **{batch.batch_id: batch.lease.fence for batch in batches}}
        if any(fence < before.fences.get(batch_id, 0) for batch_id, fence in fences.items()):
            self._report(f"run {run.run_id!r}: a fence has fallen, from {before.fences} to {fences}")
        return _Seen(statuses, self._remote_ids(run, before.remote_ids, batches), fences)

    def _check_counters(self, run: RunRecord, statuses: Mapping[int, ItemStatus]) -> None:
        recount = StatusCounts(**Counter(status.value for status in statuses.values()))
        if recount != run.counts:
            self._report(f"run {run.run_id!r}: the counters say {run.counts}, the facts {recount}")
        if run.ingest.next_index != len(statuses):
            self._report(f"run {run.run_id!r} has {len(statuses)} items, and reads on at {run.ingest.next_index}")

    def _check_changes(self, run: RunRecord, before: Mapping[int, ItemStatus], after: Mapping[int, ItemStatus]) -> None:
        for index, status in after.items():
            former = before.get(index)
            if former is status or (former is None and status in _BORN):
                continue
            if former is None or status not in REACHED_FROM[former]:
                self._report(f"run {run.run_id!r}: item {index} went from {former} to {status}")

    def _check_holders(self, uow: UnitOfWork, run: RunRecord, batches: Sequence[BatchRecord]) -> None:
        holders: Counter[int] = Counter()
        for batch in batches:
            members = [member.item_index for member in uow.items.holding(batch).members()]
            holders.update(members)
            if batch.state in _NOT_COLLECTED_YET and len(members) != batch.request_count:
                held = f"holds {len(members)} items, and was to hold {batch.request_count}"
                self._report(f"run {run.run_id!r}: batch {batch.batch_id} {held}")
        shared = [index for index, number in holders.items() if number > 1]
        if shared:
            self._report(f"run {run.run_id!r}: the items {shared} are each in several open batches")
        ranges = sorted((batch.first, batch.last) for batch in batches if batch.first < batch.last)
        if any(last > first for (_, last), (first, _) in pairwise(ranges)):
            self._report(f"run {run.run_id!r}: ranges of open batches overlap: {ranges}")

    def _remote_ids(
        self, run: RunRecord, before: Mapping[int, str], batches: Sequence[BatchRecord]
    ) -> Mapping[int, str]:
        now = {batch.batch_id: batch.provider_batch_id for batch in batches if batch.provider_batch_id is not None}
        changed = [batch_id for batch_id, remote in now.items() if before.get(batch_id, remote) != remote]
        if changed:
            self._report(f"run {run.run_id!r}: the batches {changed} were given a second remote batch")
        known = {**before, **now}
        if len(set(known.values())) < len(known):
            self._report(f"run {run.run_id!r}: two intents have one remote batch: {known}")
        return known
