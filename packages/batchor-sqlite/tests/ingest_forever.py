"""A process for the tests that is to be killed: appends 50 items and their results in each transaction.

Usage: ingest_forever.py DATABASE; prints a line before its first transaction.
"""

import sys
from dataclasses import replace

from batchor_core.domain.item import ItemStatus
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID, example_result
from batchor_testkit.state_steps import ingest

_SLICE = 50


def _append_slice(storage: SQLiteStorage) -> None:
    with storage.transaction() as unit:
        rows = ingest(unit, _SLICE)
        run = unit.runs.lock(RUN_ID)
        sequences = range(run.result_sequence + 1, run.result_sequence + 1 + _SLICE)
        unit.results.append(
            RUN_ID, [example_result(row.item_index, sequence=at) for row, at in zip(rows, sequences, strict=True)]
        )
        pending = replace(run.counts, pending=run.counts.pending - _SLICE)
        counts = pending.accept(_SLICE, status=ItemStatus.COMPLETED)
        unit.runs.save(replace(run, counts=counts, result_sequence=sequences[-1]))


def main(path: str) -> None:
    storage = SQLiteStorage(path=path)
    print("ready", flush=True)
    while True:
        _append_slice(storage)


main(*sys.argv[1:])
