"""`start --detach`, `worker`, and `status --workers`: real processes on one database."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchor_emulator import EmulatorProcess, FaultProfile
from batchor_emulator.faults.call_fault import Delay


def until(condition: Callable[[], bool], *, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def detached(batchor: Any, emulator: EmulatorProcess, two_thousand: Path, options: Any) -> Any:
    """The command in a folder with the run "r", of which only the input was read."""
    batchor.env = {"OPENAI_BASE_URL": emulator.base_url}
    done = batchor("start", "--detach", *options(two_thousand, "--run-id", "r", "--max-requests", "500"))
    assert done.code == 0, done.stderr
    batchor.env = {"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any"}
    return batchor


def test_a_detached_start_needs_no_key_and_sends_nothing(detached: Any) -> None:
    document = detached("status", "r").document
    assert (document["counts"]["pending"], document["batches"], document["ingestion_complete"]) == (2_000, 0, True)


def test_a_worker_finishes_the_run_and_each_row_is_executed_once(detached: Any, emulator: EmulatorProcess) -> None:
    before = Counter(entry.custom_id for entry in emulator.ledger())
    done = detached("worker", "--until-idle")
    assert done.code == 0, done.stderr
    assert detached("status", "r").document["status"] == "completed"
    executed = Counter(entry.custom_id for entry in emulator.ledger()) - before
    assert (len(executed), set(executed.values())) == (2_000, {1})


def test_the_log_of_a_worker_is_json_with_the_events_of_its_runs(detached: Any) -> None:
    lines = [json.loads(line) for line in detached("worker", "--until-idle").stderr.splitlines()]
    assert {"at", "level", "logger", "message"} <= lines[0].keys()
    finished = [line for line in lines if line.get("event") == "run_finished"]
    assert [(line["run_id"], line["status"]) for line in finished] == [("r", "completed")]


def test_the_log_of_a_worker_can_be_text(detached: Any) -> None:
    log = detached("worker", "--until-idle", "--log-format", "text").stderr
    assert "INFO run_finished r status=completed" in log


def test_a_worker_without_a_key_says_which_run_it_cannot_drive(detached: Any) -> None:
    del detached.env["OPENAI_API_KEY"]
    done = detached("worker", "--until-idle", "--log-format", "text")
    assert done.code == 0
    assert "run r could not be driven here: " in done.stderr
    assert "OPENAI_API_KEY" in done.stderr


def test_a_worker_refuses_a_run_that_is_not_stored(detached: Any) -> None:
    refused = detached("worker", "--run", "nowhere")
    assert (refused.code, "there is no run 'nowhere'" in refused.stderr) == (4, True)


def test_a_worker_between_two_steps_ends_at_once_on_sigterm_and_its_health_file_goes(
    open_run: Any, tmp_path: Path
) -> None:
    health = tmp_path / "health.json"
    process = open_run.begin("worker", "--health-file", str(health))
    until(lambda: health.exists() and json.loads(health.read_text())["state"] == "working")
    document = json.loads(health.read_text())
    assert (document["pid"], document["open_runs"], document["storage_trouble"]) == (process.pid, 1, None)
    assert health.stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert (process.returncode, health.exists()) == (0, False)


def test_a_worker_in_the_middle_of_a_step_hands_back_what_it_holds_within_seconds(
    batchor: Any, two_thousand: Path, options: Any
) -> None:
    slow = FaultProfile(calls=(Delay(on="files.create", delay_s=60),))
    with EmulatorProcess(faults=slow) as emulator:
        batchor.env = {"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any"}
        batchor("start", "--detach", *options(two_thousand, "--run-id", "r", "--max-requests", "500"))
        process = batchor.begin("worker", "--grace-s", "1")

        def held() -> list[dict[str, Any]]:
            workers: list[dict[str, Any]] = batchor("status", "r", "--workers").document["workers"]
            return workers

        until(lambda: len(held()) == 4)
        assert {str(process.pid) in hold["worker"] for hold in held()} == {True}
        process.send_signal(signal.SIGTERM)
        asked_at = time.monotonic()
        process.communicate(timeout=20)
        assert (process.returncode, time.monotonic() - asked_at < 10) == (0, True)
        assert held() == []

        emulator.clear_faults()
        done = batchor("worker", "--until-idle")
        assert done.code == 0, done.stderr
        executed = Counter(entry.custom_id for entry in emulator.ledger())
    assert (len(executed), set(executed.values())) == (2_000, {1})


def test_status_shows_the_hold_of_a_worker_that_is_gone(batchor: Any, two_thousand: Path, options: Any) -> None:
    slow = FaultProfile(calls=(Delay(on="files.create", delay_s=60),))
    with EmulatorProcess(faults=slow) as emulator:
        batchor.env = {"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any", "BATCHOR_LEASE_TTL_S": "1"}
        batchor("start", "--detach", *options(two_thousand, "--run-id", "r"))
        process = batchor.begin("worker")
        until(lambda: bool(batchor("status", "r", "--workers").document["workers"]))
        process.kill()
        process.communicate(timeout=10)
        until(lambda: batchor("status", "r", "--workers").document["workers"][0]["expired"])
    [hold] = batchor("status", "r", "--workers").document["workers"]
    assert (hold["what"], hold["fence"]) == ("batch 1 (prepared)", 1)
