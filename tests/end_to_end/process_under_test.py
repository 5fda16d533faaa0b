"""A process that runs a job to its end, for tests that kill it. Arguments: a folder, the input, the server's base URL."""

import sys
from datetime import timedelta
from pathlib import Path

from batchor_core import (
    BatchItem,
    BatchJob,
    BatchRunner,
    ChunkPolicy,
    JsonlItemSource,
    PromptParts,
    RecoveryPolicy,
    SlicePolicy,
)
from batchor_openai import OpenAIProviderConfig
from batchor_sqlite import SQLiteStorage

RUN_ID = "killed"


def build_prompt(item: BatchItem[dict[str, str]]) -> PromptParts:
    row = item.payload
    return PromptParts(f"{row['species']} hit a {row['aircraft']} at {row['airport']}", system_prompt="Classify.")


def main(folder: Path, input_path: Path, base_url: str) -> None:
    runner = BatchRunner(
        SQLiteStorage(path=folder / "state.sqlite3"),
        lease_ttl_s=1.0,
        slice_policy=SlicePolicy(max_rows=250),
        recovery_policy=RecoveryPolicy(quarantine=timedelta(seconds=1)),
    )
    source = JsonlItemSource(input_path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)
    job = BatchJob(
        items=source,
        build_prompt=build_prompt,
        provider_config=OpenAIProviderConfig(model="gpt-4.1", base_url=base_url, api_key="test", poll_interval_s=0.1),
        chunk_policy=ChunkPolicy(max_requests=1_000),
    )
    with runner:
        runner.run_and_wait(job, run_id=RUN_ID, timeout=60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
