"""The steps of a run as writes to the state: what a runner does, without files, network or clock.

Each step keeps the caller's order (lock the run, then write) and moves the run's counters in the
transaction that changes what they count; so `recount` must always give what the run says.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from batchor_core.domain.batch import BatchEvent, BatchRecord
from batchor_core.domain.item import ItemEvent, ItemStatus
from batchor_core.domain.lease import Lease
from batchor_core.domain.lineage import LineageSpan
from batchor_core.domain.retry import RetryRow
from batchor_core.domain.run import RunRecord
from batchor_core.ports.state import StateStore, UnitOfWork
from batchor_core.ports.state_records import ItemRow
from batchor_testkit.state_examples import (
    LEASE_TTL,
    NOW,
    RUN_ID,
    example_batch,
    example_failure,
    example_item,
    example_rejection,
    example_result,
    example_run,
    example_segment,
    seconds_later,
)


class Verdict(StrEnum):
    """How one request of a batch ended."""

    SUCCEED = "succeed"
    REJECT = "reject"
    RETRY = "retry"
    DEFER = "defer"
    """Not run: sent again without using an attempt up."""


_VERDICT_EVENTS: Mapping[Verdict, ItemEvent] = {
    Verdict.SUCCEED: ItemEvent.SUCCEED,
    Verdict.REJECT: ItemEvent.REJECT,
    Verdict.RETRY: ItemEvent.FAIL,
    Verdict.DEFER: ItemEvent.FAIL,
}


def start_run(store: StateStore, *, items: int = 0, run_id: str = RUN_ID, rejected: Collection[int] = ()) -> None:
    """In one transaction of its own: a run with a segment and the items `[0, items)`."""
    with store.transaction() as unit:
        begin_run(unit, run_id)
        ingest(unit, items, run_id=run_id, rejected=rejected)


def begin_run(unit: UnitOfWork, run_id: str = RUN_ID, *, created_at: datetime = NOW) -> RunRecord:
    """Store a run and its open request segment."""
    run = example_run(run_id, created_at=created_at)
    unit.runs.add(run)
    segment = unit.artifacts.add(example_segment(run_id))
    run = replace(run, ingest=replace(run.ingest, segment_id=segment.artifact_id))
    unit.runs.save(run)
    return run


def ingest(unit: UnitOfWork, number: int, *, run_id: str = RUN_ID, rejected: Collection[int] = ()) -> list[ItemRow]:
    """Append the next *number* items; those with an index in *rejected* can't be sent, and fail at once."""
    run = unit.runs.lock(run_id)
    first = run.ingest.next_index
    indexes = range(first, first + number)
    segment_id = run.ingest.segment_id
    rows = [example_item(index, segment_id=None if index in rejected else segment_id) for index in indexes]
    failed = [index for index in indexes if index in rejected]
    results = [
        example_rejection(index, sequence=run.result_sequence + place) for place, index in enumerate(failed, start=1)
    ]
    stored = unit.items.append(run_id, rows)
    unit.lineage.append(run_id, [LineageSpan(first, "rows", first_source_index=first)] if rows else [])
    unit.results.append(run_id, results)
    counts = run.counts.accept(stored - len(failed)).accept(len(failed), status=ItemStatus.FAILED_PERMANENT)
    unit.runs.save(
        replace(
            run,
            counts=counts,
            ingest=replace(run.ingest, next_index=first + number, checkpoint={"row": first + number}),
            result_sequence=run.result_sequence + len(results),
        )
    )
    return rows


def claim(
    unit: UnitOfWork,
    *,
    run_id: str = RUN_ID,
    fresh: int = 0,
    retries: int = 0,
    batch_key: str | None = None,
    owner: str = "worker-1",
    now: datetime = NOW,
) -> BatchRecord:
    """Store the intent on up to *retries* due retries and the next *fresh* requests, leased to *owner*."""
    run = unit.runs.lock(run_id)
    due = unit.retries.due(run_id, now=now, limit=retries) if retries else ()
    requests = unit.items.requests(run_id, first=run.submit_cursor, limit=fresh) if fresh else ()
    cursor = requests[-1].item_index + 1 if requests else run.submit_cursor
    lease = Lease().taken(owner, now=now, ttl=LEASE_TTL)
    batch = unit.batches.add(
        example_batch(run_id, first=run.submit_cursor, last=cursor, batch_key=batch_key, next_due_at=now, lease=lease)
    )
    unit.retries.bind(run_id, [ref.item_index for ref in due], batch_id=batch.batch_id)
    counts = run.counts.move(ItemStatus.PENDING, ItemEvent.CLAIM, number=len(requests))
    counts = counts.move(ItemStatus.FAILED_RETRYABLE, ItemEvent.REQUEUE, ItemEvent.CLAIM, number=len(due))
    unit.runs.save(replace(run, counts=counts, submit_cursor=cursor))
    return batch


def advance(unit: UnitOfWork, batch: BatchRecord, *events: BatchEvent) -> BatchRecord:
    """Lead *batch* along *events*, one save for each."""
    for event in events:
        run = unit.runs.lock(batch.run_id)
        number = len(unit.items.holding(batch).members())
        batch = batch.moved(event)
        unit.batches.save(batch)
        if event is BatchEvent.ACKNOWLEDGE:
            counts = run.counts.move(ItemStatus.QUEUED_LOCAL, ItemEvent.SUBMIT, number=number)
            unit.runs.save(replace(run, counts=counts, batches=run.batches + 1))
        elif event is BatchEvent.ABANDON:
            unit.runs.save(
                replace(run, counts=run.counts.move(ItemStatus.QUEUED_LOCAL, ItemEvent.RELEASE, number=number))
            )
    return batch


def submit(unit: UnitOfWork, batch: BatchRecord) -> BatchRecord:
    """Lead a prepared batch to SUBMITTED."""
    return advance(unit, batch, BatchEvent.UPLOAD, BatchEvent.SEND, BatchEvent.ACKNOWLEDGE)


def settle(
    unit: UnitOfWork, batch: BatchRecord, verdicts: Mapping[int, Verdict], *, not_before: datetime = NOW
) -> None:
    """Store how members of a submitted batch ended; the i-th item's retry is due i microseconds after *not_before*."""
    run = unit.runs.lock(batch.run_id)
    members = {member.item_index: member for member in unit.items.holding(batch).members()}
    rows, retries, counts, sequence = [], [], run.counts, run.result_sequence
    for index in sorted(verdicts):
        member, verdict = members[index], verdicts[index]
        counts = counts.move(ItemStatus.SUBMITTED, _VERDICT_EVENTS[verdict], number=1)
        if verdict in {Verdict.RETRY, Verdict.DEFER}:
            used = member.attempts_used + (verdict is Verdict.RETRY)
            deferrals = member.deferrals + (verdict is Verdict.DEFER)
            due_at = not_before.replace(microsecond=index % 1_000_000)
            retries.append(RetryRow(index, used, deferrals, due_at, verdict.value))
            continue
        sequence += 1
        make = example_result if verdict is Verdict.SUCCEED else example_failure
        rows.append(make(index, sequence=sequence, batch_id=batch.batch_id))
    unit.results.append(batch.run_id, rows)
    unit.retries.put(batch.run_id, retries)
    unit.retries.drop(batch.run_id, [row.item_index for row in rows])
    unit.runs.save(replace(run, counts=counts, result_sequence=sequence))


def abandon(unit: UnitOfWork, batch: BatchRecord, *, batch_key: str | None = None, now: datetime = NOW) -> BatchRecord:
    """Give *batch* up for a successor that holds the same requests; the successor, free for anybody."""
    unit.runs.lock(batch.run_id)
    abandoned = replace(batch.moved(BatchEvent.ABANDON), lease=batch.lease.released())
    unit.batches.save(abandoned)
    successor = unit.batches.add(
        example_batch(batch.run_id, first=batch.first, last=batch.last, batch_key=batch_key, next_due_at=now)
    )
    unit.retries.rebind(from_batch=abandoned, to_batch=successor)
    return successor


def submitted_batch(store: StateStore, *, items: int, run_id: str = RUN_ID) -> BatchRecord:
    """In transactions of its own: a run whose *items* items are with the provider, in one batch."""
    start_run(store, items=items, run_id=run_id)
    with store.transaction() as unit:
        return submit(unit, claim(unit, run_id=run_id, fresh=items))


def waiting_retries(store: StateStore, *, items: int, due_in_s: float = 0) -> BatchRecord:
    """In transactions of its own: a run whose *items* items all wait for a retry; the collected batch."""
    batch = submitted_batch(store, items=items)
    with store.transaction() as unit:
        settle(unit, batch, dict.fromkeys(range(items), Verdict.RETRY), not_before=seconds_later(due_in_s))
        return advance(unit, batch, BatchEvent.END, BatchEvent.COLLECT)
