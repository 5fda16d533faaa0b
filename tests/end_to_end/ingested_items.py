"""What an ingestion has stored, in short."""

import hashlib
import json
from itertools import count
from pathlib import Path

from ingesting_process import RUN_ID

from batchor_artifacts import LocalArtifactStore
from batchor_sqlite import SQLiteStorage


def digest(state: Path) -> tuple[int, str]:
    """How many items are stored, and a hash over ids, metadata and requests in order, the run's tag left out."""
    store, artifacts = SQLiteStorage(path=state / "state.sqlite3"), LocalArtifactStore(state / "state_artifacts")
    sha256, number = hashlib.sha256(), 0
    with store.reading() as uow:
        assert uow.runs.get(RUN_ID).ingest.complete
        names = {record.artifact_id: record.name for record in uow.artifacts.of_run(RUN_ID)}
        for first in count(0, 10_000):
            page = uow.items.page(RUN_ID, first=first, limit=10_000)
            for row in page:
                assert row.item_index == number
                assert row.segment_id is not None
                sha256.update(f"{row.item_id} {row.metadata} {row.length}".encode())
                number += 1
            for segment_id in dict.fromkeys(row.segment_id for row in page if row.segment_id is not None):
                rows = [row for row in page if row.segment_id == segment_id]
                length = rows[-1].offset + rows[-1].length - rows[0].offset
                content = artifacts.read(names[segment_id], offset=rows[0].offset, length=length)
                for line in content.splitlines():
                    sha256.update(json.loads(line)["prompt"].encode())
            if not page:
                break
    store.close()
    return number, sha256.hexdigest()
