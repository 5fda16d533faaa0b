"""Collect: what a batch brought back becomes results and retries."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

from batchor_core.application.context import RunContext, batch_data
from batchor_core.application.control import pause
from batchor_core.application.fetch import fetch, raw_file
from batchor_core.application.input_file import batch_requests
from batchor_core.application.leasing import defer, handed_back, hold, pause_for
from batchor_core.application.members import Members
from batchor_core.application.output_lines import LineReader, PlacedLine, Window
from batchor_core.application.retain import tidy_up
from batchor_core.application.settle import Settlement, Terms, settle, settled, without_lines
from batchor_core.domain.batch import BatchEvent, BatchRecord, LineFault
from batchor_core.domain.events import EventType, RunEvent
from batchor_core.domain.output_line import LineOutcome
from batchor_core.domain.results import ErrorClass
from batchor_core.errors import ProviderRefusedError, ProviderUnavailableError
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient
from batchor_core.ports.state import UnitOfWork
from batchor_core.ports.state_records import ArtifactKind


def collect(ctx: RunContext, batch: BatchRecord, client: BatchClient, reader: LineReader) -> None:
    """Read the files of an ENDED batch and settle every one of its items.

    Both files are read whenever they exist, whatever the batch's status says. They are stored
    first and applied window by window; the byte that was reached moves in the same
    transaction as the results, so that a crash neither loses nor repeats a line.
    """
    try:
        batch = fetch(ctx, batch, client, kind=ArtifactKind.OUTPUT)
        batch = fetch(ctx, batch, client, kind=ArtifactKind.ERROR)
    except ProviderUnavailableError as error:
        return defer(ctx, batch, error)
    except ProviderRefusedError as error:
        return pause_for(ctx, batch, error)
    with ctx.store.reading() as uow:
        members = Members(uow.items.holding(batch))
    for kind in (ArtifactKind.OUTPUT, ArtifactKind.ERROR):
        batch = _apply(ctx, batch, reader, members, kind=kind)
    collected = _finish(ctx, batch, members)
    tidy_up(ctx, collected, client)
    return _pause_for_fault(ctx, collected)


def _with_offset(batch: BatchRecord, kind: ArtifactKind, offset: int) -> BatchRecord:
    if kind is ArtifactKind.OUTPUT:
        return replace(batch, output_offset=offset)
    return replace(batch, error_offset=offset)


def _apply(
    ctx: RunContext, batch: BatchRecord, reader: LineReader, members: Members, *, kind: ArtifactKind
) -> BatchRecord:
    file = raw_file(batch, kind)
    if file.artifact_id is None:
        return batch
    with ctx.store.reading() as uow:
        (record,) = uow.artifacts.get([file.artifact_id])
    target = _Target(members, kind, record.artifact_id)
    with ctx.artifacts.open(record.name) as content:
        while (applied := _apply_next(ctx, batch, reader, content, target)) is not None:
            batch = applied
    return batch


@dataclass(frozen=True, slots=True)
class _Target:
    """What the lines of one file are applied to."""

    members: Members
    kind: ArtifactKind
    artifact_id: int


def _apply_next(
    ctx: RunContext, batch: BatchRecord, reader: LineReader, content: BinaryIO, target: _Target
) -> BatchRecord | None:
    """Apply the lines that follow; None when there are no more."""
    # One window at a time, whatever the number of batches: decoded lines are what memory goes to.
    with ctx.services.one_window:
        window = reader.window(content, start=raw_file(batch, target.kind).offset)
        return None if window is None else _apply_window(ctx, batch, window, target)


def _apply_window(ctx: RunContext, batch: BatchRecord, window: Window, target: _Target) -> BatchRecord:
    with around("collect.apply"), ctx.store.transaction() as uow:
        held = _with_offset(hold(ctx, uow, batch), target.kind, window.end)
        uow.batches.save(held)
        outcome = _settle(ctx, uow, held, window.lines, target.members, artifact_id=target.artifact_id)
        events = _unexpected(ctx, held, foreign=window.foreign, second_answers=outcome.second_answers)
        uow.events.append(events)
    ctx.emit(*events, *_tally(ctx, outcome))
    return held


def _finish(ctx: RunContext, batch: BatchRecord, members: Members) -> BatchRecord:
    """Settle the items that no file names, and close the batch."""
    with around("collect.finish"), ctx.store.transaction() as uow:
        held = hold(ctx, uow, batch)
        lines = _lines_of_missing(uow, held, members)
        outcome = _settle(ctx, uow, held, lines, members, artifact_id=None)
        collected = handed_back(held.moved(BatchEvent.COLLECT), due_at=ctx.now())
        uow.batches.save(collected)
        run, events = ctx.finish_if_done(uow.runs.lock(ctx.run_id))
        uow.runs.save(run)
        uow.events.append(events)
    ctx.emit(ctx.event(EventType.BATCH_COLLECTED, batch_data(collected)), *_tally(ctx, outcome), *events)
    return collected


def _pause_for_fault(ctx: RunContext, batch: BatchRecord) -> None:
    """A fault of the whole input file would come back with every new batch: somebody must look at it.

    Not so after a fence: then it is recovery itself that has deleted the file.
    """
    lasting = [fault for fault in batch.faults if fault.line is None and not fault.transient]
    if lasting and batch.fenced_at is None:
        code = lasting[0].code or "unknown"
        pause(
            ctx.services,
            ctx.run_id,
            reason=lasting[0].pause_reason or "batch_failed",
            message=f"the provider failed batch {batch.provider_batch_id}: {lasting[0].message} ({code})",
        )


def _settle(
    ctx: RunContext,
    uow: UnitOfWork,
    batch: BatchRecord,
    lines: list[PlacedLine],
    members: Members,
    *,
    artifact_id: int | None,
) -> Settlement:
    """Write results, retries and counters of *lines*, all or nothing with the caller's transaction."""
    run = uow.runs.lock(ctx.run_id)
    terms = Terms(
        batch_id=batch.batch_id,
        artifact_id=artifact_id,
        policy=ctx.job.retry_policy,
        now=ctx.now(),
        jitter=ctx.services.rng.random(),
        cancelled=run.is_cancelling,
    )
    outcome = settle(lines, members, terms=terms, sequence=run.result_sequence)
    uow.results.append(ctx.run_id, outcome.results)
    uow.retries.put(ctx.run_id, outcome.retries)
    uow.retries.drop(ctx.run_id, outcome.no_longer_retried)
    uow.runs.save(settled(run, outcome))
    return outcome


def _tally(ctx: RunContext, outcome: Settlement) -> list[RunEvent]:
    counts = {EventType.ITEMS_COMPLETED: outcome.completed, EventType.ITEMS_FAILED: outcome.failed}
    return [ctx.event(event_type, {"items": count}) for event_type, count in counts.items() if count]


def _unexpected(ctx: RunContext, batch: BatchRecord, *, foreign: int, second_answers: int) -> list[RunEvent]:
    if not foreign and not second_answers:
        return []
    data = {**batch_data(batch), "foreign": foreign, "second_answers": second_answers}
    return [ctx.event(EventType.UNEXPECTED_LINES, data)]


def _lines_of_missing(uow: UnitOfWork, batch: BatchRecord, members: Members) -> list[PlacedLine]:
    """What stands for the items that neither file names: not run, or refused by the line's number."""
    faults = {fault.line: fault for fault in batch.faults if fault.line is not None}
    refused = list(_refused_lines(uow, batch, members, faults)) if faults else []
    refused_indexes = {index for index, *_ in refused}
    message = f"the batch ended as {batch.provider_status!r} without an answer to this request"
    missing = [index for index in members if index not in refused_indexes]
    throttled = any(fault.transient for fault in batch.faults)
    outcome = LineOutcome.THROTTLED if throttled else LineOutcome.NOT_RUN
    return [*refused, *without_lines(missing, outcome=outcome, message=message)]


def _refused_lines(
    uow: UnitOfWork, batch: BatchRecord, members: Members, faults: dict[int, LineFault]
) -> Iterable[PlacedLine]:
    for number, request in enumerate(batch_requests(uow, batch), start=1):
        fault = faults.get(number)
        if fault is not None and request.item_index in members:
            yield from without_lines(
                [request.item_index],
                outcome=LineOutcome.REQUEST_FAILED,
                message=fault.message,
                code=fault.code or ErrorClass.INPUT_REJECTED,
            )
