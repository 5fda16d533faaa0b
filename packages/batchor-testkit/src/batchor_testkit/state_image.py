"""All that can be read of a run, as one value: to compare two stores, or one store at two times.

The ids that a store gives are replaced by what they stand for, since each store counts its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.chunking import RequestRef
from batchor_core.domain.events import RunEvent
from batchor_core.domain.item import ItemStatus, StatusCounts
from batchor_core.domain.lineage import LineageSpan
from batchor_core.domain.results import FailureCount, ResultRow, StoredResult
from batchor_core.domain.run import RunRecord
from batchor_core.ports.state import UnitOfWork
from batchor_core.ports.state_records import ArtifactRecord, BatchOutlook, ItemRow, Member
from batchor_testkit.state_examples import NOW

_ALL = 1_000_000
_FAR_AHEAD = NOW + timedelta(days=3650)


@dataclass(frozen=True)
class BatchImage:
    """One batch; `artifacts` names its output and error artifact."""

    record: BatchRecord
    artifacts: tuple[str | None, str | None]
    members: Sequence[Member]
    bound: Sequence[RequestRef]


@dataclass(frozen=True)
class RunImage:
    """One run with everything of it."""

    run: RunRecord
    segment: str | None
    recount: StatusCounts
    statuses: Sequence[tuple[int, ItemStatus]]
    items: Sequence[tuple[ItemRow, str | None]]
    lineage: Sequence[LineageSpan]
    requests: Sequence[tuple[RequestRef, str | None]]
    results: Sequence[tuple[ResultRow, str | None, str | None]]
    by_index: Sequence[StoredResult]
    by_sequence: Sequence[StoredResult]
    failures: frozenset[FailureCount]
    open_batches: Sequence[BatchImage]
    outlook: BatchOutlook
    due: Sequence[RequestRef]
    next_due: object
    artifacts: Sequence[ArtifactRecord]
    events: Sequence[RunEvent]


def run_ids(unit: UnitOfWork) -> list[str]:
    """The ids of all runs, newest first, read page by page."""
    seen: list[str] = []
    while page := unit.runs.page(before=seen[-1] if seen else None, limit=2):
        assert not set(seen) & {run.run_id for run in page}, "a page repeats runs of the page before"
        seen += [run.run_id for run in page]
    return seen


def run_image(unit: UnitOfWork, run_id: str) -> RunImage:
    """Everything of one run."""
    run = unit.runs.get(run_id)
    artifacts = unit.artifacts.of_run(run_id)
    names = {artifact.artifact_id: artifact.name for artifact in artifacts}
    name = _naming(names)
    batch_key = _batch_keys(unit)
    by_index = [StoredResult(*fields) for fields in unit.results.by_index(run_id, first=0, limit=_ALL)]
    ended = [stored.item_index for stored in by_index]
    return RunImage(
        run=replace(run, ingest=replace(run.ingest, segment_id=None)),
        segment=name(run.ingest.segment_id),
        recount=unit.items.recount(run_id),
        statuses=list(unit.items.statuses(run_id, first=0, limit=_ALL)),
        items=[
            (row._replace(segment_id=None), name(row.segment_id))
            for row in unit.items.page(run_id, first=0, limit=_ALL)
        ],
        lineage=list(unit.lineage.spans(run_id, first=0, last=_ALL)),
        requests=[(_plain(ref), name(ref.segment_id)) for ref in unit.items.requests(run_id, first=0, limit=_ALL)],
        results=[_result(row, name, batch_key) for row in sorted(unit.results.get(run_id, ended))],
        by_index=by_index,
        by_sequence=[StoredResult(*fields) for fields in unit.results.by_sequence(run_id, after=0, limit=_ALL)],
        failures=frozenset(unit.results.failures(run_id)),
        open_batches=[batch_image(unit, batch, name) for batch in unit.batches.open_batches(run_id)],
        outlook=unit.batches.outlook(run_id),
        due=[_plain(ref) for ref in unit.retries.due(run_id, now=_FAR_AHEAD, limit=_ALL)],
        next_due=unit.retries.next_due(run_id),
        artifacts=[replace(artifact, artifact_id=0) for artifact in artifacts],
        events=[event for _, event in unit.events.read(run_id, after=0, limit=_ALL)],
    )


def batch_image(unit: UnitOfWork, batch: BatchRecord, name: Callable[[int | None], str | None]) -> BatchImage:
    """One batch with what it holds."""
    return BatchImage(
        record=replace(batch, batch_id=0, output_artifact_id=None, error_artifact_id=None),
        artifacts=(name(batch.output_artifact_id), name(batch.error_artifact_id)),
        members=list(unit.items.holding(batch).members()),
        bound=[_plain(ref) for ref in unit.retries.bound(batch)],
    )


def _naming(names: dict[int, str]) -> Callable[[int | None], str | None]:
    return lambda artifact_id: None if artifact_id is None else names[artifact_id]


def _batch_keys(unit: UnitOfWork) -> Callable[[int | None], str | None]:
    known: dict[int, str] = {}

    def batch_key(batch_id: int | None) -> str | None:
        if batch_id is None:
            return None
        if batch_id not in known:
            known[batch_id] = unit.batches.get(batch_id).batch_key
        return known[batch_id]

    return batch_key


def _plain(ref: RequestRef) -> RequestRef:
    return ref._replace(segment_id=0)


def _result(
    row: ResultRow, name: Callable[[int | None], str | None], batch_key: Callable[[int | None], str | None]
) -> tuple[ResultRow, str | None, str | None]:
    plain = row._replace(batch_id=None, raw_artifact_id=None)
    return plain, batch_key(row.batch_id), name(row.raw_artifact_id)
