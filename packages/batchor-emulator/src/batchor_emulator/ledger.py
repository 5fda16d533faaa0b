"""Which requests were executed: the judge's record.

While a batch runs, its journal is the record: one line per executed request, which holds the
entry, a tab, and the output line. Publishing leaves the entries alone in the batch's ledger file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BATCHES_FOLDER = "batches"
JOURNAL_SUFFIX = ".journal"
LEDGER_SUFFIX = ".ledger"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One request that was executed, at a time in Unix seconds."""

    batch_id: str
    custom_id: str
    executed_at: float
    status_code: int


def read_ledger(state_dir: Path | str) -> Iterator[LedgerEntry]:
    """Every executed request of every batch, from the disk: no server needs to run.

    Within a batch the order is that of execution. A line that a killed server left unfinished is
    not a fact, and is skipped.
    """
    folder = Path(state_dir) / BATCHES_FOLDER
    for batch_id in sorted(_batches_with_entries(folder)):
        yield from _entries_of(folder, batch_id)


def _batches_with_entries(folder: Path) -> set[str]:
    return {path.stem for suffix in (JOURNAL_SUFFIX, LEDGER_SUFFIX) for path in folder.glob(f"*{suffix}")}


def _entries_of(folder: Path, batch_id: str) -> Iterator[LedgerEntry]:
    # Publishing replaces the journal by the ledger: the third look finds what moved between the first two.
    for suffix in (LEDGER_SUFFIX, JOURNAL_SUFFIX, LEDGER_SUFFIX):
        try:
            file = (folder / f"{batch_id}{suffix}").open("rb")
        except FileNotFoundError:
            continue
        with file:
            yield from (_entry(batch_id, line) for line in file if line.endswith(b"\n"))
        return


def _entry(batch_id: str, line: bytes) -> LedgerEntry:
    fields = json.loads(line.partition(b"\t")[0])
    return LedgerEntry(
        batch_id=batch_id,
        custom_id=fields["custom_id"],
        executed_at=fields["executed_at"],
        status_code=fields["status_code"],
    )
