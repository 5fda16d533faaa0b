"""Deaths at random moments of ingestion, and at each of its system calls.

The items are those of an undisturbed one, each once, in order.
"""

import csv
import gzip
import json
import multiprocessing
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ingested_items import digest
from ingesting_process import ingest

ROWS = 200_000
KILLS = 20


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows as a file of each kind, and a quarter of them likewise."""
    folder = tmp_path_factory.mktemp("inputs")
    write_rows(folder, ROWS)
    (folder / "quarter").mkdir()
    write_rows(folder / "quarter", ROWS // 4)
    return folder


def write_rows(folder: Path, number: int) -> None:
    rows = [{"id": f"row-{n}", "text": f'Text {n}, with "quotes", emoji 🙂 and\na second line'} for n in range(number)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    (folder / "rows.jsonl").write_bytes(lines)
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(lines, 1))
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "text"])
        writer.writeheader()
        writer.writerows(rows)
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", row_group_size=30_000)


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Fresh processes that have their imports done already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ingesting_process"])
    return context


class Ingester:
    """Starts processes that ingest one source into one state."""

    def __init__(self, processes: Any, inputs: Path, kind: str, state: Path) -> None:
        self._processes = processes
        self._arguments = (inputs / "quarter" if kind == "all" else inputs, kind, state)
        self._begun = state / "begun"
        state.mkdir()

    def run(self) -> None:
        process = self._start()
        process.join()
        assert process.exitcode == 0

    def begin_and_kill(self, *, after_s: float) -> bool:
        """Kill a process *after_s* seconds after it began to ingest; whether it was still at it."""
        process = self._start()
        while process.is_alive() and not self._begun.exists():
            time.sleep(0.002)
        process.join(after_s)
        was_at_it = process.is_alive()
        process.kill()
        process.join()
        return was_at_it

    def _start(self) -> Any:
        self._begun.unlink(missing_ok=True)
        process = self._processes.Process(target=ingest, args=self._arguments)
        process.start()
        return process


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "jsonl.gz", "all"])
def test_twenty_kills_of_one_ingestion_change_nothing(processes: Any, inputs: Path, kind: str, tmp_path: Path) -> None:
    began = time.monotonic()
    Ingester(processes, inputs, kind, tmp_path / "undisturbed").run()
    # So that twenty lives together don't get to the end.
    longest_s = (time.monotonic() - began) / KILLS
    moments = random.Random(kind)  # noqa: S311  repeatable
    killed = Ingester(processes, inputs, kind, tmp_path / "killed")
    assert all(killed.begin_and_kill(after_s=moments.uniform(0, longest_s)) for _ in range(KILLS))
    killed.run()
    assert digest(tmp_path / "killed") == digest(tmp_path / "undisturbed")
    assert digest(tmp_path / "killed")[0] == ROWS


@pytest.mark.skipif(sys.platform != "linux", reason="stopping at system calls is Linux's ptrace")
def test_a_death_at_any_system_call_of_an_ingestion_changes_nothing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("ingest_at_each_call.py")
    process = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True
    )
    outcome = json.loads(process.stdout)
    assert outcome["items"] == 9
    assert outcome["harmed"] == []
    assert outcome["deaths"] > 100
