"""Records to fill a state store with: valid, small, and different in every field that matters."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.events import EventType, RunEvent
from batchor_core.domain.lease import Lease
from batchor_core.domain.output_line import LineOutcome, ResponseMetadata, TokenUsage
from batchor_core.domain.results import ErrorClass, ItemFailure, ResultRow
from batchor_core.domain.run import IngestState, RunRecord
from batchor_core.ports.state_records import ArtifactKind, ArtifactRecord, ItemRow

NOW = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
"""The present of all examples; its microseconds must survive."""

LEASE_TTL = timedelta(minutes=5)
REQUEST_BYTES = 100
"""Every example request is so long, so that its place in the segment follows from its number."""

RUN_ID = "batchor_20260329T120000Z_ab12cd34"

_USAGE = TokenUsage(11, 7, 3, 2)
_batch_keys = count(1)


def seconds_later(seconds: float) -> datetime:
    """*seconds* after `NOW`; negative: before."""
    return NOW + timedelta(seconds=seconds)


def _tag(run_id: str) -> str:
    return sha256(run_id.encode()).hexdigest()[:8]


def example_run(run_id: str = RUN_ID, *, created_at: datetime = NOW) -> RunRecord:
    """A run at its very beginning."""
    return RunRecord(
        run_id=run_id,
        tag=_tag(run_id),
        created_at=created_at,
        config={"provider": "example", "chunk_policy": {"max_requests": 3}, "ratio": 0.7, "schema": None},
        ingest=IngestState(source={"kind": "list", "reference": "rows", "fingerprint": "f00d"}),
    )


def example_segment(run_id: str = RUN_ID, *, number: int = 1) -> ArtifactRecord:
    """The open request segment of a run."""
    return ArtifactRecord(
        artifact_id=0, run_id=run_id, kind=ArtifactKind.REQUEST, name=f"{_tag(run_id)}/requests-{number}.jsonl"
    )


def example_item(index: int, *, segment_id: int | None, item_id: str | None = None) -> ItemRow:
    """An item; one without a segment can't be sent."""
    sendable = segment_id is not None
    return ItemRow(
        item_index=index,
        item_id=f"item-{index}" if item_id is None else item_id,
        metadata=f'{{"row": {index}}}' if index % 2 else None,
        segment_id=segment_id,
        offset=index * REQUEST_BYTES if sendable else 0,
        length=REQUEST_BYTES if sendable else 0,
        tokens=index + 1 if sendable else 0,
    )


def example_items(first: int, last: int, *, segment_id: int | None) -> list[ItemRow]:
    """The items `[first, last)`."""
    return [example_item(index, segment_id=segment_id) for index in range(first, last)]


def example_batch(
    run_id: str = RUN_ID,
    *,
    first: int = 0,
    last: int = 0,
    batch_key: str | None = None,
    next_due_at: datetime = NOW,
    lease: Lease | None = None,
) -> BatchRecord:
    """An intent on the items `[first, last)`, under a key of its own; an empty range for one that holds retries only."""
    return BatchRecord(
        batch_id=0,
        run_id=run_id,
        batch_key=f"{next(_batch_keys):032x}" if batch_key is None else batch_key,
        first=first,
        last=last,
        request_count=last - first,
        request_bytes=(last - first) * REQUEST_BYTES,
        reserved_tokens=7 * (last - first),
        created_at=NOW,
        next_due_at=next_due_at,
        lease=Lease() if lease is None else lease,
    )


def example_result(
    index: int, *, sequence: int, batch_id: int | None = None, raw_artifact_id: int | None = None
) -> ResultRow:
    """The good answer of an item."""
    return ResultRow(
        item_index=index,
        sequence=sequence,
        attempt_count=1,
        batch_id=batch_id,
        raw_artifact_id=raw_artifact_id,
        raw_offset=index * 10,
        raw_length=10,
        output_text=f"answer {index}",
        response_metadata=ResponseMetadata(_USAGE, "stop").to_json(),
        failure=None,
    )


def example_failure(
    index: int, *, sequence: int, batch_id: int | None = None, error_class: str = LineOutcome.INVALID_OUTPUT
) -> ResultRow:
    """The final failure of an item."""
    failure = ItemFailure(error_class, "the example failed", code="bad", status_code=400)
    return example_result(index, sequence=sequence, batch_id=batch_id)._replace(
        output_text=None, response_metadata=ResponseMetadata(_USAGE).to_json(), failure=failure.to_json()
    )


def example_rejection(index: int, *, sequence: int) -> ResultRow:
    """The result of an item that could not be sent at all."""
    return example_failure(index, sequence=sequence, error_class=ErrorClass.PROMPT_FAILED)._replace(
        attempt_count=0, raw_length=0, raw_offset=0, response_metadata=ResponseMetadata().to_json()
    )


def example_event(run_id: str = RUN_ID, *, number: int = 1) -> RunEvent:
    """The *number*-th event of a run."""
    return RunEvent(EventType.ITEMS_INGESTED, run_id, seconds_later(number), {"number": number, "names": ["é", "b"]})


def in_sequence(rows: Sequence[ResultRow], *, after: int = 0) -> list[ResultRow]:
    """*rows* with the sequences that follow *after*."""
    return [replace_sequence(row, sequence) for sequence, row in enumerate(rows, start=after + 1)]


def replace_sequence(row: ResultRow, sequence: int) -> ResultRow:
    return row._replace(sequence=sequence)


def released(batch: BatchRecord, *, next_due_at: datetime | None = None) -> BatchRecord:
    """*batch* with its lease given back."""
    return replace(batch, lease=batch.lease.released(), next_due_at=next_due_at or batch.next_due_at)
