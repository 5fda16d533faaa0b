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
    RUN_CANCELLED = "run_cancelled"
    RUN_REOPENED = "run_reopened"
    RUN_FINISHED = "run_finished"
    ITEMS_INGESTED = "items_ingested"
    ITEMS_COMPLETED = "items_completed"
    ITEMS_FAILED = "items_failed"
    BATCH_PREPARED = "batch_prepared"
    BATCH_SUBMITTED = "batch_submitted"
    BATCH_ADOPTED = "batch_adopted"
    BATCH_ABANDONED = "batch_abandoned"
    BATCH_POLLED = "batch_polled"
    BATCH_ENDED = "batch_ended"
    """The provider is done with it; `provider_status` says how: completed, expired, cancelled, failed."""
    BATCH_COLLECTED = "batch_collected"
    BATCH_DEFERRED = "batch_deferred"
    """A call for the batch failed and will be made again."""
    BATCH_OVERDUE = "batch_overdue"
    """It is far beyond its window; the provider was asked to cancel it, so that what is done can be fetched."""
    CAPACITY_CHANGED = "capacity_changed"
    """The provider refused enqueued tokens, or took them again after that."""
    ARTIFACTS_EXPORTED = "artifacts_exported"
    ARTIFACTS_PRUNED = "artifacts_pruned"
    UNKNOWN_BATCHES = "unknown_batches"
    """The provider has batches of this run that the state does not know."""
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
