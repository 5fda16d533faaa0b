"""Run large datasets through LLM batch APIs, durably.

Everything that users need is importable from here. Each name is loaded from its home at its first
use, so that `import batchor` costs nothing of what a program does not use.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchor.planned import PostgresStorage
    from batchor_artifacts import LocalArtifactStore
    from batchor_core import (
        ArtifactExport,
        ArtifactPolicy,
        AuditReport,
        BatchItem,
        BatchJob,
        BatchRunner,
        CheckpointedItemSource,
        ChunkPolicy,
        CompositeItemSource,
        CsvItemSource,
        ErrorClass,
        EventType,
        ItemFailure,
        ItemSource,
        ItemStatus,
        JsonlItemSource,
        LineOutcome,
        MemoryArtifactStore,
        MemoryStateStore,
        PromptParts,
        PruneReport,
        RecoveryPolicy,
        RetryPolicy,
        Run,
        RunControlState,
        RunEvent,
        RunLifecycleStatus,
        RunSnapshot,
        RunSummary,
        SlicePolicy,
        SourceCursor,
        SourceIdentity,
        StatusCounts,
        StructuredItemResult,
        TerminalResultsExport,
        TerminalResultsPage,
        TextItemResult,
        TokenUsage,
        verify_bundle,
    )
    from batchor_core.errors import (
        ArtifactError,
        ArtifactNotFoundError,
        BatchorError,
        ConfigChangedError,
        ConfigurationError,
        DuplicateItemIdError,
        InvalidItemError,
        InvalidRunIdError,
        JobRequiredError,
        MissingCredentialsError,
        MissingPackageError,
        NotExportedError,
        PromptBuildError,
        ProviderError,
        ProviderRefusedError,
        ProviderThrottledError,
        ProviderUnavailableError,
        RunCancelledError,
        RunExistsError,
        RunNotFinishedError,
        RunNotFoundError,
        RunPausedError,
        SchemaNotStrictError,
        SourceChangedError,
        SourceError,
        SourceRowError,
        StateError,
        StorageError,
        StorageVersionError,
        StructuredOutputError,
        UnknownAdapterError,
        WaitTimeoutError,
    )
    from batchor_openai import OpenAIBatchProvider, OpenAIEndpoint, OpenAIEnqueueLimitConfig, OpenAIProviderConfig
    from batchor_parquet import ParquetItemSource
    from batchor_sqlite import SQLiteStorage

__all__ = [
    "ArtifactError",
    "ArtifactExport",
    "ArtifactNotFoundError",
    "ArtifactPolicy",
    "AuditReport",
    "BatchItem",
    "BatchJob",
    "BatchRunner",
    "BatchorError",
    "CheckpointedItemSource",
    "ChunkPolicy",
    "CompositeItemSource",
    "ConfigChangedError",
    "ConfigurationError",
    "CsvItemSource",
    "DuplicateItemIdError",
    "ErrorClass",
    "EventType",
    "InvalidItemError",
    "InvalidRunIdError",
    "ItemFailure",
    "ItemSource",
    "ItemStatus",
    "JobRequiredError",
    "JsonlItemSource",
    "LineOutcome",
    "LocalArtifactStore",
    "MemoryArtifactStore",
    "MemoryStateStore",
    "MissingCredentialsError",
    "MissingPackageError",
    "NotExportedError",
    "OpenAIBatchProvider",
    "OpenAIEndpoint",
    "OpenAIEnqueueLimitConfig",
    "OpenAIProviderConfig",
    "ParquetItemSource",
    "PostgresStorage",
    "PromptBuildError",
    "PromptParts",
    "ProviderError",
    "ProviderRefusedError",
    "ProviderThrottledError",
    "ProviderUnavailableError",
    "PruneReport",
    "RecoveryPolicy",
    "RetryPolicy",
    "Run",
    "RunCancelledError",
    "RunControlState",
    "RunEvent",
    "RunExistsError",
    "RunLifecycleStatus",
    "RunNotFinishedError",
    "RunNotFoundError",
    "RunPausedError",
    "RunSnapshot",
    "RunSummary",
    "SQLiteStorage",
    "SchemaNotStrictError",
    "SlicePolicy",
    "SourceChangedError",
    "SourceCursor",
    "SourceError",
    "SourceIdentity",
    "SourceRowError",
    "StateError",
    "StatusCounts",
    "StorageError",
    "StorageVersionError",
    "StructuredItemResult",
    "StructuredOutputError",
    "TerminalResultsExport",
    "TerminalResultsPage",
    "TextItemResult",
    "TokenUsage",
    "UnknownAdapterError",
    "WaitTimeoutError",
    "verify_bundle",
]

# Hidden from type checkers: with a module `__getattr__` in sight they would accept any misspelt name.
if not TYPE_CHECKING:
    _HOMES = {
        "batchor.planned": ("PostgresStorage",),
        "batchor_artifacts": ("LocalArtifactStore",),
        "batchor_openai": (
            "OpenAIBatchProvider",
            "OpenAIEndpoint",
            "OpenAIEnqueueLimitConfig",
            "OpenAIProviderConfig",
        ),
        "batchor_parquet": ("ParquetItemSource",),
        "batchor_sqlite": ("SQLiteStorage",),
    }
    _HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

    def _home_of(name):  # noqa: ANN001, ANN202  no type checker reads this branch
        if name.endswith("Error"):
            return "batchor_core.errors"
        return _HOME_OF.get(name, "batchor_core")

    def __getattr__(name):  # noqa: ANN001, ANN202
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_home_of(name)), name)
        globals()[name] = value
        return value

    def __dir__():  # noqa: ANN202
        return sorted({*globals(), *__all__})
