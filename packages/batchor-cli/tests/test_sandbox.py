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


def test_a_rehearsed_lost_answer_buys_nothing_twice(batchor: Any, run_command: list[str], tmp_path: Path) -> None:
    fault = ("--fault", "act-then-drop=batches.create@2x", "--fault", "lost=1%")
    rehearsed = batchor(*run_command, *fault, "--base-backoff-s", "0.1", env=QUICK)
    assert rehearsed.code == 0, rehearsed.stderr
    executed = Counter(entry.custom_id for entry in read_ledger(tmp_path / "x_sandbox"))
    assert len(executed) == 2_000
    # A lost line was executed, and nobody can know: such an item alone is asked again.
    asked_again = sum(executed.values()) - len(executed)
    assert 0 < asked_again < 100


def test_a_bad_day_can_be_rehearsed_by_its_name_or_from_a_file(
    batchor: Any, twenty: Path, options: Any, tmp_path: Path
) -> None:
    (tmp_path / "day.json").write_text('{"batches": [{"counts": "null", "count": 1}]}')
    days = ("--fault-preset", "busy-project", "--faults", str(tmp_path / "day.json"))
    assert batchor("run", "--sandbox", *days, *options(twenty, "--run-id", "r")).code == 0


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (["--sandbox", "--fault", "flood"], "there is no fault 'flood'"),
        (["--sandbox", "--fault-preset", "doomsday"], "there is no fault preset 'doomsday'"),
        (["--sandbox", "--faults", "nowhere.json"], "nowhere.json cannot be read"),
        (["--fault", "lost=1%"], "add --sandbox"),
    ],
)
def test_a_fault_that_cannot_be_rehearsed_is_refused(
    batchor: Any, twenty: Path, options: Any, faults: list[str], told: str
) -> None:
    refused = batchor("start", *faults, *options(twenty))
    assert refused.code == 2
    assert told in refused.stderr
