"""A batch as the API shows it."""

from __future__ import annotations

from batchor_emulator.faults.batch_fault import Fate
from batchor_emulator.state.batch_record import BatchRecord
from batchor_emulator.state.batch_status import BatchStatus


def batch_body(batch: BatchRecord) -> dict[str, object]:
    """A batch as the API shows it."""
    body: dict[str, object] = {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": _errors(batch),
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        "request_counts": {
            "total": batch.total,
            "completed": batch.tally.completed,
            "failed": batch.tally.failed,
        },
        "metadata": batch.metadata,
        "usage": _usage(batch),
    }
    for status in BatchStatus:
        if status is not BatchStatus.VALIDATING:
            entered_at = batch.entered_at.get(status)
            body[f"{status}_at"] = None if entered_at is None else int(entered_at)
    if batch.fate is not None:
        _disguise(body, batch, batch.fate)
    return body


def _disguise(body: dict[str, object], batch: BatchRecord, fate: Fate) -> None:
    """Show *batch* as its fate wants it shown."""
    for status, word in fate.statuses.items():
        if batch.status == status:
            body["status"] = word
        if f"{status}_at" in body:
            body[f"{status}_at"] = None
    match fate.counts:
        case "null":
            body["request_counts"] = None
        case "zero":
            body["request_counts"] = {"total": 0, "completed": 0, "failed": 0}
        case "wrong":
            tally = batch.tally
            body["request_counts"] = {
                "total": batch.total + 1,
                "completed": tally.failed,
                "failed": tally.completed,
            }
    if fate.error_file == "blank-id" and batch.error_file_id is None:
        body["error_file_id"] = ""


def _errors(batch: BatchRecord) -> dict[str, object] | None:
    if not batch.faults:
        return None
    return {"object": "list", "data": batch.faults}


def _usage(batch: BatchRecord) -> dict[str, object]:
    tally = batch.tally
    return {
        "input_tokens": tally.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tally.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tally.input_tokens + tally.output_tokens,
    }
