"""A process for the tests: resumes a small ingestion in what a death at each of its system calls would leave.

Usage: ingest_at_each_call.py FOLDER, an empty one; prints JSON: `items`, the number that an undisturbed ingestion stores,
`deaths`, their number, and `harmed`, those after which something else is stored.
"""

import json
import sys
import time
from pathlib import Path

from ingested_items import digest
from ingesting_process import ingest

from batchor_testkit.sudden_deaths import left_behind

_ROWS = 9
_ROWS_A_SLICE = 4
_LEASE_TTL_S = 0.02


def _ingest(inputs: Path, state: Path) -> None:
    ingest(inputs, "jsonl", state, rows_a_slice=_ROWS_A_SLICE, lease_ttl_s=_LEASE_TTL_S)


def main(folder: Path) -> None:
    for name in ("undisturbed", "state"):
        (folder / name).mkdir()
    rows = ({"id": f"row-{n}", "text": f"Text {n}, with emoji 🙂 and\na second line"} for n in range(_ROWS))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _ingest(folder, folder / "undisturbed")
    expected = digest(folder / "undisturbed")
    deaths, harmed = 0, []
    for left in left_behind(lambda: _ingest(folder, folder / "state"), folder / "state", copies=folder):
        deaths += 1
        time.sleep(_LEASE_TTL_S)
        _ingest(folder, left)
        if (stored := digest(left)) != expected:
            harmed.append(f"death {deaths}: {stored}")
    print(json.dumps({"items": expected[0], "deaths": deaths, "harmed": harmed}))


main(Path(sys.argv[1]))
