"""What of a run needs a hand, or explains why it stands still; each with what to type next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from batchor import ErrorClass, RunControlState, RunSnapshot
from batchor_cli.options import Place, typed_command
from batchor_cli.target import stored_terms
from batchor_core.application.control import requests_pruned
from batchor_core.domain.batch import BatchRecord, BatchState
from batchor_core.domain.capacity import CapacityRecord
from batchor_core.domain.job import ProviderConfig, StoredJob
from batchor_core.domain.run import RunRecord
from batchor_core.ports.state import StateStore

_NEVER_SENT = frozenset({ErrorClass.PROMPT_FAILED, ErrorClass.INVALID_REQUEST, ErrorClass.REQUEST_TOO_LARGE})
"""Items that failed so have no request that could be sent again."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that somebody should know of."""

    kind: str
    """`paused`, `input_unread`, `batches_overdue`, `queue_full` or `items_failed`."""
    message: str
    command: str | None = None
    """What to type next, where a command mends it."""


def what_needs_a_hand(store: StateStore, snapshot: RunSnapshot, *, place: Place, now: datetime) -> list[Need]:
    """The needs of the run that *snapshot* shows, most urgent first. Reads the database alone."""
    run_id = snapshot.summary.run_id
    with store.reading() as uow:
        run = uow.runs.get(run_id)
        open_batches = uow.batches.open_batches(run_id)
        pruned = bool(snapshot.failures) and requests_pruned(uow, run_id)
        terms = stored_terms(StoredJob.from_json(run.config))
        capacity = None if terms is None else uow.capacity.get(terms.quota_scope)
    needs = [*_of_control(run, place, now)]
    if terms is not None and capacity is not None and not run.is_finished:
        needs += _of_batches(run, open_batches, terms, place=place, now=now)
        needs += _of_capacity(run, capacity, terms, now=now)
    return [*needs, *_of_failures(snapshot, place, requests_gone=pruned)]


def _of_control(run: RunRecord, place: Place, now: datetime) -> Iterator[Need]:
    if run.is_finished:
        return
    if run.control_state is RunControlState.PAUSED:
        said = ": ".join(text for text in (run.control_reason, run.control_message) if text)
        resume = typed_command("resume", run.run_id, place)
        yield Need("paused", f"the run is paused ({said or 'by request'}); remove the cause, then resume it", resume)
    elif not run.ingest.complete and run.ingest.lease.is_free(now):
        problem = "its input is not read to the end, and nobody reads it"
        yield Need("input_unread", f"{problem}; give the command again that began it, with --run-id {run.run_id}")


def _of_batches(
    run: RunRecord, batches: Sequence[BatchRecord], terms: ProviderConfig, *, place: Place, now: datetime
) -> Iterator[Need]:
    window = timedelta(seconds=terms.completion_window_s)
    overdue = [
        batch
        for batch in batches
        if batch.state is BatchState.SUBMITTED and now > (batch.sent_at or batch.created_at) + window
    ]
    if overdue:
        ids = ", ".join(str(batch.provider_batch_id) for batch in overdue[:5])
        more = f" and {len(overdue) - 5} more" if len(overdue) > 5 else ""
        remedy = "`wait` cancels what is far over it, fetches what is done, and sends the rest again"
        message = f"over the provider's window of {terms.completion_window_s / 3600:g} h: {ids}{more}; {remedy}"
        yield Need("batches_overdue", message, typed_command("wait", run.run_id, place))


def _of_capacity(run: RunRecord, capacity: CapacityRecord, terms: ProviderConfig, *, now: datetime) -> Iterator[Need]:
    if not run.counts.pending and not run.counts.failed_retryable:
        return
    if capacity.blocked_until is not None and capacity.blocked_until > now:
        until = f"until {capacity.blocked_until:%Y-%m-%d %H:%M:%S} UTC"
        yield Need("queue_full", f"the provider's queue is full: no batch is sent {until}; it goes on by itself")
    elif (room := capacity.room(terms.enqueue_limits)) is not None and room < run.pending_tokens:
        taken = f"{capacity.reserved:,} tokens are enqueued in {capacity.scope!r}, {room:,} are free"
        yield Need("queue_full", f"the budget of enqueued tokens is used: {taken}; it goes on as batches end")


def _of_failures(snapshot: RunSnapshot, place: Place, *, requests_gone: bool) -> Iterator[Need]:
    summary = snapshot.summary
    for failure in snapshot.failures:
        what = f"{failure.items:,} items failed as {failure.error_class}"
        if summary.control_state is RunControlState.CANCEL_REQUESTED:
            yield Need("items_failed", f"{what}; the run was cancelled: a new one is needed for them")
        elif requests_gone:
            yield Need("items_failed", f"{what}, and the requests were pruned: a new run is needed for them")
        elif failure.error_class in _NEVER_SENT:
            yield Need(
                "items_failed", f"{what} and could not be sent: correct these rows, and start a new run with them"
            )
        else:
            again = typed_command("retry", summary.run_id, place) + f" --error-class {failure.error_class}"
            yield Need("items_failed", f"{what}; they can begin again", again)
