"""What a run tells an observer while it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from batchor_core.json_types import JsonValue


class EventType(StrEnum):
    """Kinds of events; more may come."""

    RUN_CREATED = "run_created"
    RUN_RESUMED = "run_resumed"
    RUN_PAUSED = "run_paused"
    RUN_FINISHED = "run_finished"
    ITEMS_INGESTED = "items_ingested"
    BATCH_PREPARED = "batch_prepared"
    BATCH_SUBMITTED = "batch_submitted"
    BATCH_ADOPTED = "batch_adopted"
    BATCH_ABANDONED = "batch_abandoned"
    BATCH_POLLED = "batch_polled"
    BATCH_ENDED = "batch_ended"
    BATCH_COLLECTED = "batch_collected"
    BATCH_DEFERRED = "batch_deferred"
    """A call for the batch failed and will be made again."""
    DUPLICATE_BATCH_CANCELLED = "duplicate_batch_cancelled"
    UNEXPECTED_LINES = "unexpected_lines"
    """Output lines of another run, of unknown items, or second answers; they were not applied."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened, after it was made durable."""

    event_type: EventType
    run_id: str
    at: datetime
    data: Mapping[str, JsonValue] = field(default_factory=dict)
