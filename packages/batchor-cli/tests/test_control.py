"""Pause, resume, results before the end, and the `.env` file."""

from pathlib import Path
from typing import Any

from batchor_emulator import EmulatorProcess


def test_a_paused_run_waits_for_a_resume(open_run: Any) -> None:
    assert open_run("pause", "open-run").document["control_state"] == "paused"
    paused = open_run("wait", "open-run")
    assert paused.code == 5
    assert "error: run 'open-run' is paused" in paused.stderr
    assert open_run("resume", "open-run").document["control_state"] == "running"


def test_results_before_the_end_are_those_so_far(open_run: Any) -> None:
    so_far = open_run("results", "open-run")
    assert so_far.code == 0
    assert [line["item_id"] for line in so_far.lines] == ["faulty"]
    assert "not finished" in so_far.stderr


def test_a_dotenv_file_in_the_current_folder_is_read(
    batchor: Any, emulator: EmulatorProcess, twenty: Path, options: Any
) -> None:
    (batchor.folder / ".env").write_text(f"OPENAI_API_KEY=any\nOPENAI_BASE_URL={emulator.base_url}\n")
    finished = batchor("start", *options(twenty))
    assert finished.code == 0, finished.stderr


def test_what_the_environment_says_goes_before_the_dotenv_file(at_emulator: Any, twenty: Path, options: Any) -> None:
    (at_emulator.folder / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:9/v1\n")
    finished = at_emulator("start", *options(twenty))
    assert finished.code == 0, finished.stderr


def test_another_poll_interval_may_be_given_with_each_command(at_emulator: Any, twenty: Path, options: Any) -> None:
    at_emulator("start", *options(twenty, "--run-id", "r"))
    again = at_emulator("start", *options(twenty, "--run-id", "r", "--poll-interval-s", "0.2"))
    assert again.code == 0, again.stderr
    assert at_emulator("wait", "r", "--poll-interval-s", "0.3").code == 0
