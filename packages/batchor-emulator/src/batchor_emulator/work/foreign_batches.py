"""Batches of other teams in the same project."""

from __future__ import annotations

import time

from batchor_emulator.identifiers import new_batch_id, new_file_id
from batchor_emulator.state.batch_record import BatchRecord, Tally
from batchor_emulator.state.batch_status import BatchStatus
from batchor_emulator.state.batch_store import BatchStore

_METADATA = {"team": "others"}
_REQUESTS = 10
_WINDOW_S = 86_400


async def add_foreign_batches(batches: BatchStore, count: int, metadata: dict[str, str] | None = None) -> list[str]:
    """Add *count* completed batches whose files nobody can read; returns their ids."""
    added = [_foreign_batch(metadata or _METADATA) for _ in range(count)]
    for batch in added:
        await batches.add(batch)
    return [batch.id for batch in added]


def _foreign_batch(metadata: dict[str, str]) -> BatchRecord:
    now = time.time()
    return BatchRecord(
        id=new_batch_id(as_uuid=False),
        input_file_id=new_file_id(as_uuid=False),
        endpoint="/v1/responses",
        completion_window="24h",
        created_at=now,
        expires_at=now + _WINDOW_S,
        status=BatchStatus.COMPLETED,
        metadata=metadata,
        entered_at=dict.fromkeys((BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED), now),
        model="gpt-others",
        total=_REQUESTS,
        tally=Tally(completed=_REQUESTS),
        output_file_id=new_file_id(as_uuid=False),
    )
