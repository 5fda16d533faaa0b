"""A worker for tests that kill, freeze and cut off workers: the environment says where it works.

`STATE` is a SQLite file or a PostgreSQL URL, `SCHEMA` its schema, `ARTIFACTS` a folder, `LEASE_TTL_S` the term of leases.
"""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import timedelta

from batchor_artifacts import LocalArtifactStore
from batchor_core import BatchRunner, RecoveryPolicy
from batchor_core.ports.state import StateStore
from batchor_postgres import PostgresStorage
from batchor_sqlite import SQLiteStorage


def open_state(place: Mapping[str, str]) -> StateStore:
    if place["STATE"].startswith("postgresql://"):
        return PostgresStorage(place["STATE"], schema=place["SCHEMA"], timeout_s=float(place.get("TIMEOUT_S", "20")))
    return SQLiteStorage(path=place["STATE"])


def open_runner(place: Mapping[str, str]) -> BatchRunner:
    return BatchRunner(
        open_state(place),
        artifact_store=LocalArtifactStore(place["ARTIFACTS"]),
        concurrency=int(place.get("CONCURRENCY", "2")),
        lease_ttl_s=float(place.get("LEASE_TTL_S", "2")),
        recovery_policy=RecoveryPolicy(quarantine=timedelta(seconds=1)),
    )


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    with open_runner(os.environ) as runner:
        runner.work(until_idle=True)


if __name__ == "__main__":
    main()
