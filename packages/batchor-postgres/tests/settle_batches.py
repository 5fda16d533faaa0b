"""A worker process for the tests: settles batches of a run until none is open; prints how many it settled.

Usage: settle_batches.py SCHEMA OWNER, with the database in BATCHOR_STORAGE_URL
"""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from batchor_core.domain.batch import BatchEvent
from batchor_postgres import PostgresStorage
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import Verdict, advance, settle, submit

_TTL = timedelta(seconds=60)


def _settle_due(storage: PostgresStorage, owner: str) -> int:
    now = storage.now(datetime.now(UTC))
    with storage.transaction() as unit:
        leased = unit.batches.lease_due(run_id=RUN_ID, owner=owner, now=now, ttl=_TTL, limit=2)
    for batch in leased:
        with storage.transaction() as unit:
            held = submit(unit, unit.batches.hold(batch, now=now, ttl=_TTL))
        with storage.transaction() as unit:
            held = unit.batches.hold(held, now=now, ttl=_TTL)
            members = unit.items.holding(held).members()
            settle(unit, held, {member.item_index: Verdict.SUCCEED for member in members})
            ended = advance(unit, held, BatchEvent.END, BatchEvent.COLLECT)
            unit.batches.save(replace(ended, lease=ended.lease.released()))
    return len(leased)


def _is_open(storage: PostgresStorage) -> bool:
    with storage.reading() as unit:
        return bool(unit.batches.open_batches(RUN_ID))


def main(schema: str, owner: str) -> None:
    storage = PostgresStorage(schema=schema)
    settled = 0
    while _is_open(storage):
        settled += _settle_due(storage, owner)
        time.sleep(0.001)
    storage.close()
    print(settled)


if __name__ == "__main__":
    main(*sys.argv[1:])
