"""Run large datasets through LLM batch APIs, durably.

Everything that users need is importable from here. Each name is loaded from its home at its first
use, so that `import batchor` costs nothing of what a program does not use.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchor_artifacts import LocalArtifactStore, ObjectArtifactStore, artifact_store_at
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
        TickReport,
        TokenUsage,
        WorkReport,
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
        StorageUnavailableError,
        StorageVersionError,
        StructuredOutputError,
        UnknownAdapterError,
        WaitTimeoutError,
    )
    from batchor_openai import OpenAIBatchProvider, OpenAIEndpoint, OpenAIEnqueueLimitConfig, OpenAIProviderConfig
    from batchor_parquet import ParquetItemSource
    from batchor_postgres import PostgresStorage
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
    "ObjectArtifactStore",
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
    "StorageUnavailableError",
    "StorageVersionError",
    "StructuredItemResult",
    "StructuredOutputError",
    "TerminalResultsExport",
    "TerminalResultsPage",
    "TextItemResult",
    "TickReport",
    "TokenUsage",
    "UnknownAdapterError",
    "WaitTimeoutError",
    "WorkReport",
    "artifact_store_at",
    "verify_bundle",
]

# Hidden from type checkers: with a module `__getattr__` in sight they would accept any misspelt name.
if not TYPE_CHECKING:
    from importlib.util import find_spec

    _HOMES = {
        "batchor_artifacts": ("LocalArtifactStore", "ObjectArtifactStore", "artifact_store_at"),
        "batchor_openai": (
            "OpenAIBatchProvider",
            "OpenAIEndpoint",
            "OpenAIEnqueueLimitConfig",
            "OpenAIProviderConfig",
        ),
        "batchor_parquet": ("ParquetItemSource",),
        "batchor_postgres": ("PostgresStorage",),
        "batchor_sqlite": ("SQLiteStorage",),
    }
    _EXTRAS = {"batchor_postgres": "'batchor[postgres]'"}
    _HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

    # `from batchor import *` must not ask for what an extra brings and nobody installed.
    for _module in _EXTRAS:
        if find_spec(_module) is None:
            __all__ = [name for name in __all__ if name not in _HOMES[_module]]

    def _home_of(name):  # noqa: ANN001, ANN202  no type checker reads this branch
        if name.endswith("Error"):
            return "batchor_core.errors"
        return _HOME_OF.get(name, "batchor_core")

    def __getattr__(name):  # noqa: ANN001, ANN202
        if name not in __all__ and name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        home = _home_of(name)
        try:
            value = getattr(import_module(home), name)
        except ModuleNotFoundError as error:
            if error.name != home or home not in _EXTRAS:
                raise
            from batchor_core.errors import MissingPackageError

            raise MissingPackageError(name, package=_EXTRAS[home]) from None
        globals()[name] = value
        return value

    def __dir__():  # noqa: ANN202
        return sorted({*globals(), *__all__})
