"""A process for the tests: kills others at each system call of a small ingestion, and resumes it in what they leave.

Usage: ingest_at_each_call.py FOLDER, an empty one; prints JSON: `deaths`, their number, and `harmed`, those after which the
resumed ingestion has stored something else than an undisturbed one.
"""

import json
import sys
import time
from pathlib import Path

from ingested_items import digest
from ingesting_process import ingest

from batchor_testkit.sudden_deaths import left_behind

_ROWS = 9
_LEASE_TTL_S = 0.02


def _ingest(inputs: Path, state: Path) -> None:
    ingest(inputs, "jsonl", state, rows_a_slice=4, lease_ttl_s=_LEASE_TTL_S)


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
    print(json.dumps({"deaths": deaths, "harmed": harmed}))


main(Path(sys.argv[1]))
