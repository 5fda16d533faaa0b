"""What a process does that ingests one source and sends nothing, for tests that kill it."""

from pathlib import Path
from typing import Any

from batchor_core import (
    BatchItem,
    BatchJob,
    BatchRunner,
    CompositeItemSource,
    CsvItemSource,
    JsonlItemSource,
    SlicePolicy,
)
from batchor_core.ports.sources import CheckpointedItemSource
from batchor_sqlite import SQLiteStorage
from batchor_testkit.fake_clock import FakeClock
from batchor_testkit.fake_provider import FakeProviderConfig, FakeProviderFactory, FakeServer

RUN_ID = "ingested"


def row_id(row: dict[str, Any]) -> str:
    return str(row["id"])


def row_text(row: dict[str, Any]) -> str:
    return str(row["text"])


def build_prompt(item: BatchItem[str]) -> str:
    return item.payload


def source_of(folder: Path, kind: str) -> CheckpointedItemSource[str]:
    """The file `rows.KIND` of *folder*, or all of them one after the other."""
    match kind:
        case "csv" | "csv.gz":
            return CsvItemSource(folder / f"rows.{kind}", item_id_from_row=row_id, payload_from_row=row_text)
        case "parquet":
            from batchor_parquet import ParquetItemSource  # costs as much as the rest together

            return ParquetItemSource(
                folder / "rows.parquet", columns=["id", "text"], item_id_from_row=row_id, payload_from_row=row_text
            )
        case "all":
            return CompositeItemSource([source_of(folder, each) for each in ("csv", "jsonl", "parquet", "jsonl.gz")])
        case _:
            return JsonlItemSource(folder / f"rows.{kind}", item_id_from_row=row_id, payload_from_row=row_text)


def ingest(inputs: Path, kind: str, state: Path, *, rows_a_slice: int = 2_000, lease_ttl_s: float = 0.2) -> None:
    server = FakeServer(FakeClock())
    job = BatchJob(
        items=source_of(inputs, kind), build_prompt=build_prompt, provider_config=FakeProviderConfig(poll_interval_s=60)
    )
    with BatchRunner(
        SQLiteStorage(path=state / "state.sqlite3"),
        lease_ttl_s=lease_ttl_s,
        slice_policy=SlicePolicy(max_rows=rows_a_slice),
        providers={"fake": FakeProviderFactory(server)},
    ) as runner:
        (state / "begun").touch()
        # Sending would take more threads than this one.
        runner.start(job, run_id=RUN_ID, detach=True)
