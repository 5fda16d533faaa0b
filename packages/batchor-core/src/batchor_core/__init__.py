"""The durable core of batchor: domain, ports and use cases, on the standard library alone.

Users need the names below; adapter authors find the ports in `batchor_core.ports`.
"""

from batchor_core.adapters.composite_source import CompositeItemSource
from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.adapters.memory_artifacts import MemoryArtifactStore
from batchor_core.adapters.memory_state import MemoryStateStore
from batchor_core.application.audit import AuditReport
from batchor_core.application.bundle import ArtifactExport, verify_bundle
from batchor_core.application.export import TerminalResultsExport
from batchor_core.application.handle import Run, TickReport
from batchor_core.application.prune import PruneReport
from batchor_core.application.runner import BatchRunner
from batchor_core.application.work import WorkReport
from batchor_core.domain.events import EventType, RunEvent
from batchor_core.domain.item import BatchItem, ItemStatus, PromptParts, StatusCounts
from batchor_core.domain.job import BatchJob
from batchor_core.domain.output_line import LineOutcome, TokenUsage
from batchor_core.domain.policies import ArtifactPolicy, ChunkPolicy, RecoveryPolicy, RetryPolicy, SlicePolicy
from batchor_core.domain.results import (
    ErrorClass,
    ItemFailure,
    StructuredItemResult,
    TerminalResultsPage,
    TextItemResult,
)
from batchor_core.domain.run import RunControlState, RunLifecycleStatus, RunSnapshot, RunSummary
from batchor_core.errors import BatchorError
from batchor_core.ports.sources import CheckpointedItemSource, ItemSource, SourceCursor, SourceIdentity

__all__ = [
    "ArtifactExport",
    "ArtifactPolicy",
    "AuditReport",
    "BatchItem",
    "BatchJob",
    "BatchRunner",
    "BatchorError",
    "CheckpointedItemSource",
    "ChunkPolicy",
    "CompositeItemSource",
    "CsvItemSource",
    "ErrorClass",
    "EventType",
    "ItemFailure",
    "ItemSource",
    "ItemStatus",
    "JsonlItemSource",
    "LineOutcome",
    "MemoryArtifactStore",
    "MemoryStateStore",
    "PromptParts",
    "PruneReport",
    "RecoveryPolicy",
    "RetryPolicy",
    "Run",
    "RunControlState",
    "RunEvent",
    "RunLifecycleStatus",
    "RunSnapshot",
    "RunSummary",
    "SlicePolicy",
    "SourceCursor",
    "SourceIdentity",
    "StatusCounts",
    "StructuredItemResult",
    "TerminalResultsExport",
    "TerminalResultsPage",
    "TextItemResult",
    "TickReport",
    "TokenUsage",
    "WorkReport",
    "verify_bundle",
]
