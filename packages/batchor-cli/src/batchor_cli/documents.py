"""Runs as JSON documents."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from batchor import RunControlState, RunEvent, RunSnapshot, RunSummary
from batchor.secret_urls import masked
from batchor.setting_layers import Origin
from batchor.settings import LoadedSettings
from batchor_cli.attention import Need
from batchor_cli.holds import Hold
from batchor_core.application.audit import AuditReport
from batchor_core.application.bundle import ArtifactExport
from batchor_core.domain.run import BatchSnapshot


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """A run at a glance; times are ISO 8601 in UTC."""
    return {**_plain(asdict(summary)), "total_items": summary.total_items}


def snapshot_document(snapshot: RunSnapshot, needs: Sequence[Need], *, now: datetime) -> dict[str, Any]:
    """The summary with open batches, kinds of failures, when the run may end, and what needs a hand."""
    end = estimated_end(snapshot.summary, now=now)
    return {
        **summary_document(snapshot.summary),
        "estimated_end_at": None if end is None else end.isoformat(),
        "open_batches": [_batch(batch) for batch in snapshot.open_batches],
        "failures": {failure.error_class: failure.items for failure in snapshot.failures},
        "needs": [asdict(need) for need in needs],
    }


def holds_document(holds: Sequence[Hold]) -> list[dict[str, Any]]:
    """Who works on what."""
    return [_plain(asdict(hold)) for hold in holds]


def audit_document(report: AuditReport) -> dict[str, Any]:
    """What an audit found."""
    return {"is_clean": report.is_clean, **asdict(report)}


def events_document(run_id: str, stored: Sequence[tuple[int, RunEvent]], *, after: int) -> dict[str, Any]:
    """A page of the event log; `next_after` leads to the next one."""
    listed = [
        {"sequence": sequence, "at": event.at.isoformat(), "type": event.event_type, "data": dict(event.data)}
        for sequence, event in stored
    ]
    return {"run_id": run_id, "events": listed, "next_after": stored[-1][0] if stored else after}


def export_document(run_id: str, export: ArtifactExport) -> dict[str, Any]:
    """What was copied, and where."""
    return {"run_id": run_id, "path": str(export.path), "files": [asdict(file) for file in export.files]}


def estimated_end(summary: RunSummary, *, now: datetime) -> datetime | None:
    """When the run ends if it goes on as it did so far; None while nothing can be said."""
    counts = summary.counts
    ended = counts.completed + counts.failed_permanent
    goes_on = summary.control_state is RunControlState.RUNNING and summary.finished_at is None
    if not goes_on or not summary.ingestion_complete or not ended:
        return None
    return now + timedelta(seconds=(now - summary.created_at).total_seconds() * counts.open / ended)


def settings_document(loaded: LoadedSettings) -> dict[str, Any]:
    """Each setting with its value, `origin` (flag, environment, file or default), and the `name` and `path` of that.

    Passwords in URLs are masked; of a key it says only whether it is set.
    """
    values = loaded.settings.model_dump(mode="json")
    plain = ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
    return {
        "settings": {
            name: {"value": masked(value) if isinstance(value, str) else value, **_origin(loaded.origin(name))}
            for name, value in values.items()
        },
        "unused": [{"setting": name, **_origin(origin)} for name, origin in loaded.unused],
        "provider": {
            "OPENAI_API_KEY": "set" if os.environ.get("OPENAI_API_KEY") else "not set",
            **{name: masked(os.environ[name]) if os.environ.get(name) else None for name in plain},
        },
    }


def _origin(origin: Origin) -> dict[str, str | None]:
    return {
        "origin": origin.kind,
        "name": origin.name,
        "path": None if origin.path is None else str(origin.path),
    }


def _batch(batch: BatchSnapshot) -> dict[str, Any]:
    return _plain({name: value for name, value in asdict(batch).items() if name != "lease"})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
