import subprocess
import sys

import pytest

import batchor

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
    "ObjectArtifactStore",
    "artifact_store_at",
    "ItemSource",
    "CheckpointedItemSource",
    "CompositeItemSource",
    "CsvItemSource",
    "JsonlItemSource",
    "ParquetItemSource",
]
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


# None in `sys.modules` is how Python itself says that a module cannot be found.
WITHOUT_POSTGRES = """
import sys
sys.modules["batchor_postgres"] = None
from batchor import *
print("SQLiteStorage" in globals(), "PostgresStorage" in globals())
import batchor
try:
    batchor.PostgresStorage
except MissingPackageError as error:
    print(error)
"""


def test_what_an_extra_brings_names_the_extra_where_it_is_not_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSTGRES], capture_output=True, text=True, check=True, timeout=60
    )
    of_star_import, message = done.stdout.splitlines()
    assert of_star_import == "True False"
    assert "install it with: pip install 'batchor[postgres]'" in message


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
