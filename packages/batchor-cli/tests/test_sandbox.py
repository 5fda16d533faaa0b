"""`--sandbox`: the whole flow without a key, killed and taken up again."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from batchor_emulator import read_ledger

QUICK = {"BATCHOR_LEASE_TTL_S": "1", "BATCHOR_RECOVERY_QUARANTINE_S": "1", "BATCHOR_SLICE_ROWS": "700"}
KILLS = (
    "ingest.commit.after:2:kill",
    "submit.create.before:1:kill",
    "submit.create.after:2:kill",
    "collect.apply.before:1:kill",
    "collect.apply.after:2:kill",
)


@pytest.fixture
def run_command(two_thousand: Path) -> list[str]:
    job = ["--input", str(two_thousand), "--id-field", "id", "--prompt-field", "airport", "--model", "gpt-4.1"]
    return ["run", "--sandbox", *job, "--max-requests", "500", "--run-id", "strikes", "--db-path", "x.sqlite3"]


def test_the_same_command_finishes_what_was_killed_and_buys_nothing_twice(
    batchor: Any, run_command: list[str], tmp_path: Path
) -> None:
    for kill in KILLS:
        killed = batchor(*run_command, env={**QUICK, "BATCHOR_FAILPOINT": kill})
        assert (killed.code, killed.stdout) == (-9, ""), killed.stderr
    finished = batchor(*run_command, env=QUICK)
    assert finished.code == 0, finished.stderr
    executed = Counter(entry.custom_id for entry in read_ledger(tmp_path / "x_sandbox"))
    assert (len(executed), set(executed.values())) == (2_000, {1})

    interrupted = (tmp_path / "results.jsonl").read_text()
    for path in tmp_path.glob("x*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert batchor(*run_command).code == 0
    assert (tmp_path / "results.jsonl").read_text() == interrupted


def test_sandbox_runs_have_a_database_of_their_own(batchor: Any, twenty: Path, options: Any) -> None:
    database = {"BATCHOR_DB_PATH": str(batchor.folder / "real.sqlite3")}
    assert batchor("start", "--sandbox", *options(twenty, "--run-id", "r"), env=database).code == 0
    assert not (batchor.folder / "real.sqlite3").exists()
    assert batchor("wait", "--sandbox", "r", env=database).document["status"] == "completed"
    assert (batchor.folder / "data" / "batchor" / "sandbox.sqlite3").exists()


def test_the_sandbox_takes_no_other_server(batchor: Any, twenty: Path, options: Any) -> None:
    refused = batchor("start", "--sandbox", "--base-url", "https://api.example.org/v1", *options(twenty))
    assert refused.code == 2
    assert "--sandbox brings its own server" in refused.stderr
