"""Two workers beside one, on a run that waits for its provider most of the time; and who waits for locks meanwhile.

`python -m benchmarks.workers --postgres URL` takes about a minute; without the URL, it is SQLite.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psycopg

from batchor_artifacts import LocalArtifactStore
from batchor_core import BatchItem, BatchJob, BatchRunner, ChunkPolicy
from batchor_core.ports.state import StateStore
from batchor_emulator import Delay, EmulatorProcess, FaultProfile
from batchor_openai import OpenAIProviderConfig
from batchor_postgres import PostgresStorage
from batchor_sqlite import SQLiteStorage
from benchmarks.postgres_database import new_database

BATCHES = 40
REQUESTS_A_BATCH = 250
LATENCY_S = 0.25
"""Of uploads, creations and downloads."""
_WORKER = "from benchmarks.workers import work; work()"
_WAITING = "SELECT wait_event_type, count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() GROUP BY 1"


def work() -> None:
    """What a worker process does; its environment says where."""
    with open_runner(os.environ["PLACE"], Path(os.environ["ARTIFACTS"])) as runner:
        runner.work(until_idle=True)


def open_runner(place: str, artifacts: Path) -> BatchRunner:
    storage: StateStore = PostgresStorage(place) if "://" in place else SQLiteStorage(path=place)
    # One step at a time: what two workers gain is then theirs, and not their threads'.
    return BatchRunner(storage, artifact_store=LocalArtifactStore(artifacts), concurrency=1)


def seconds_of(workers: int, place: str, artifacts: Path, *, waits: Counter[str]) -> float:
    """How long so many workers take for one run; what they wait for is counted in *waits*."""
    slow = FaultProfile(
        calls=tuple(Delay(on=call, delay_s=LATENCY_S) for call in ("files.create", "batches.create", "files.content"))
    )
    with EmulatorProcess(faults=slow) as emulator, open_runner(place, artifacts) as runner:
        job = BatchJob(
            items=[BatchItem(f"item-{n}", n) for n in range(BATCHES * REQUESTS_A_BATCH)],
            build_prompt=lambda item: f"prompt {item.payload}",
            provider_config=OpenAIProviderConfig(model="gpt-4.1", base_url=emulator.base_url, poll_interval_s=0.5),
            chunk_policy=ChunkPolicy(max_requests=REQUESTS_A_BATCH),
        )
        run = runner.start(job, detach=True)
        environment = {
            **os.environ,
            "OPENAI_API_KEY": "any",
            "OPENAI_BASE_URL": emulator.base_url,
            "PLACE": place,
            "ARTIFACTS": str(artifacts),
        }
        processes = [subprocess.Popen([sys.executable, "-c", _WORKER], env=environment) for _ in range(workers)]
        # From the first batch on: the start of the interpreter is no work.
        while not run.summary().batches:
            time.sleep(0.01)
        began = time.monotonic()
        while not run.is_finished:
            waits.update(_waits(place))
            time.sleep(0.02)
        seconds = time.monotonic() - began
        for process in processes:
            process.wait()
    return seconds


def _waits(place: str) -> dict[str, int]:
    if "://" not in place:
        return {}
    with psycopg.connect(place) as connection:
        return {str(kind): number for kind, number in connection.execute(_WAITING)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", metavar="URL", help="a server on which databases may be created")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    for repetition in range(options.repetitions):
        taken = {}
        for workers in (1, 2):
            waits = Counter[str]()
            with tempfile.TemporaryDirectory() as folder:
                artifacts = Path(folder) / "artifacts"
                if options.postgres is None:
                    taken[workers] = seconds_of(workers, f"{folder}/state.sqlite3", artifacts, waits=waits)
                else:
                    with new_database(options.postgres) as url:
                        taken[workers] = seconds_of(workers, url, artifacts, waits=waits)
            print(
                f"{repetition + 1}: {workers} workers {taken[workers]:.1f} s; active connections waited for {dict(waits)}"
            )
        print(f"{repetition + 1}: two take {taken[2] / taken[1]:.2f} of the time of one")


if __name__ == "__main__":
    main()
