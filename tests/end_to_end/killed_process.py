"""What a process does that drives one run to its end over a bad network, for tests that kill it."""

from datetime import timedelta
from pathlib import Path

import openai  # noqa: F401  loaded once, before processes are forked

from batchor_core import (
    BatchItem,
    BatchJob,
    BatchRunner,
    ChunkPolicy,
    JsonlItemSource,
    RecoveryPolicy,
    RetryPolicy,
    SlicePolicy,
)
from batchor_openai import OpenAIProviderConfig
from batchor_sqlite import SQLiteStorage

RUN_ID = "killed"


def build_prompt(item: BatchItem[dict[str, str]]) -> str:
    row = item.payload
    return f"{row['species']} hit a {row['aircraft']} at {row['airport']}"


def drive(folder: Path, input_path: Path, base_url: str) -> None:
    with BatchRunner(
        SQLiteStorage(path=folder / "state.sqlite3"),
        lease_ttl_s=0.5,
        slice_policy=SlicePolicy(max_rows=60),
        recovery_policy=RecoveryPolicy(quarantine=timedelta(seconds=0.6)),
    ) as runner:
        job = BatchJob(
            items=JsonlItemSource(input_path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row),
            build_prompt=build_prompt,
            provider_config=OpenAIProviderConfig(
                model="gpt-4.1", base_url=base_url, api_key="test", poll_interval_s=0.05, request_timeout_s=10
            ),
            chunk_policy=ChunkPolicy(max_requests=120),
            retry_policy=RetryPolicy(base_backoff_s=0.05, max_backoff_s=0.2, max_deferrals=100),
        )
        runner.run_and_wait(job, run_id=RUN_ID, timeout=60)
