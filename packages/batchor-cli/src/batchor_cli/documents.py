"""Runs as JSON documents."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from batchor import RunControlState, RunSnapshot, RunSummary


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """A run at a glance; times are ISO 8601 in UTC."""
    return {**_plain(asdict(summary)), "total_items": summary.total_items}


def snapshot_document(snapshot: RunSnapshot, *, now: datetime) -> dict[str, Any]:
    """The summary with open batches, kinds of failures, and when the run may end."""
    end = estimated_end(snapshot.summary, now=now)
    return {
        **summary_document(snapshot.summary),
        "estimated_end_at": None if end is None else end.isoformat(),
        "open_batches": [_plain(asdict(batch)) for batch in snapshot.open_batches],
        "failures": {failure.error_class: failure.items for failure in snapshot.failures},
    }


def estimated_end(summary: RunSummary, *, now: datetime) -> datetime | None:
    """When the run ends if it goes on as it did so far; None while nothing can be said."""
    counts = summary.counts
    ended = counts.completed + counts.failed_permanent
    goes_on = summary.control_state is RunControlState.RUNNING and summary.finished_at is None
    if not goes_on or not summary.ingestion_complete or not ended:
        return None
    return now + timedelta(seconds=(now - summary.created_at).total_seconds() * counts.open / ended)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
