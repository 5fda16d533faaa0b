import subprocess
import sys

import pytest

import batchor
from batchor import BatchorError

FIXED = [
    "BatchItem",
    "BatchJob",
    "BatchRunner",
    "Run",
    "PromptParts",
    "RunEvent",
    "RunControlState",
    "RunLifecycleStatus",
    "ItemStatus",
    "RunSummary",
    "RunSnapshot",
    "ArtifactPolicy",
    "ChunkPolicy",
    "RetryPolicy",
    "ItemFailure",
    "TextItemResult",
    "StructuredItemResult",
    "TerminalResultsPage",
    "OpenAIProviderConfig",
    "OpenAIEnqueueLimitConfig",
    "OpenAIBatchProvider",
    "OpenAIEndpoint",
    "SQLiteStorage",
    "PostgresStorage",
    "MemoryStateStore",
    "LocalArtifactStore",
    "ItemSource",
    "CheckpointedItemSource",
    "CompositeItemSource",
    "CsvItemSource",
    "JsonlItemSource",
    "ParquetItemSource",
]
PLANNED = ["PostgresStorage"]
HEAVY = ("openai", "sqlalchemy", "pyarrow", "pydantic", "dependency_injector")


@pytest.mark.parametrize("name", sorted({*FIXED, *batchor.__all__}))
def test_every_public_word_is_found_in_its_home(name: str) -> None:
    assert getattr(batchor, name).__name__ == name


def test_the_fixed_words_are_all_exported() -> None:
    assert set(FIXED) <= set(batchor.__all__)
    assert set(batchor.__all__) <= set(dir(batchor))


def test_an_unknown_word_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'BatchRuner'"):
        batchor.BatchRuner  # noqa: B018  # ty: ignore[missing-attribute]  reading it is the point


@pytest.mark.parametrize("name", PLANNED)
def test_a_planned_word_says_when_called_what_to_use_instead(name: str) -> None:
    with pytest.raises(BatchorError, match=rf"{name} is not in this version of batchor yet; \w+"):
        getattr(batchor, name)("somewhere", columns=["id"])


def modules_after(statement: str) -> set[str]:
    report = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_importing_batchor_loads_nothing_of_what_it_offers() -> None:
    loaded = modules_after("import batchor; dir(batchor)")
    assert "batchor" in loaded
    assert not loaded & {*HEAVY, "batchor_core", "batchor_openai", "batchor_sqlite"}


def test_the_words_of_a_memory_run_load_no_heavy_library() -> None:
    loaded = modules_after(
        "from batchor import BatchItem, BatchJob, BatchRunner, OpenAIProviderConfig, RunNotFoundError"
    )
    assert "batchor_openai" in loaded
    assert not loaded & set(HEAVY)
