"""A run's status for people: how far, how much, until when, and what needs a hand."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from batchor import RunControlState, RunSnapshot, RunSummary
from batchor_cli.attention import Need
from batchor_cli.documents import estimated_end
from batchor_cli.holds import Hold
from batchor_cli.terminal import printable


def status_table(
    snapshot: RunSnapshot, needs: Sequence[Need], *, now: datetime, holds: Sequence[Hold] | None = None
) -> str:
    """Lines of a label and a text; nothing in them can command a terminal. *holds*: None leaves them out."""
    rows = [*_rows(snapshot, needs, now), *([] if holds is None else _workers(holds))]
    return "\n".join(f"{label:<10} {printable(text)}" for label, text in rows)


def _workers(holds: Sequence[Hold]) -> Iterator[tuple[str, str]]:
    if not holds:
        yield "workers", "nobody holds anything of it at this moment"
    for hold in holds:
        until = f"{hold.until:%H:%M:%S} UTC"
        term = f"expired at {until}: its worker is gone" if hold.expired else f"until {until}"
        yield "worker", f"{hold.worker}: {hold.what}, {term}"


def _rows(snapshot: RunSnapshot, needs: Sequence[Need], now: datetime) -> Iterator[tuple[str, str]]:
    summary = snapshot.summary
    yield "run", summary.run_id
    yield "status", _status(summary)
    yield "progress", _progress(summary)
    yield "tokens", f"{summary.usage.input_tokens:,} in, {summary.usage.output_tokens:,} out"
    yield "batches", f"{summary.batches:,} sent, {len(snapshot.open_batches):,} open"
    if troubled := sum(1 for batch in snapshot.open_batches if batch.failures):
        yield "trouble", f"calls for {troubled:,} of the open batches failed and are made again"
    if (end := estimated_end(summary, now=now)) is not None:
        yield "end", f"about {end:%Y-%m-%d %H:%M} UTC, if it goes on like this"
    if snapshot.failures:
        yield "failures", ", ".join(f"{failure.error_class} {failure.items:,}" for failure in snapshot.failures)
    for need in needs:
        yield "to do", need.message
        if need.command is not None:
            yield "", f"  {need.command}"


def _status(summary: RunSummary) -> str:
    if summary.control_state is RunControlState.RUNNING:
        return summary.status.value
    reason = ": ".join(text for text in (summary.control_reason, summary.control_message) if text)
    return f"{summary.control_state.value} ({reason})" if reason else summary.control_state.value


def _progress(summary: RunSummary) -> str:
    counts = summary.counts
    total = summary.total_items
    # Rounded down: 100 % must mean all.
    share = f" ({100 * counts.completed // total} %)" if total else ""
    still = "" if summary.ingestion_complete else ", and the input is still being read"
    return f"{counts.completed:,} of {total:,} items completed{share}, {counts.failed_permanent:,} failed{still}"
