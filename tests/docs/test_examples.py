"""The example programs, run as a reader runs them."""

import subprocess
import sys
from pathlib import Path

PROGRAM = ["examples/birdstrikes/classify.py", "--sandbox"]


def run_program(folder: Path, *arguments: str) -> str:
    command = [sys.executable, *PROGRAM, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120).stdout


def test_every_report_is_judged(reader_folder: Path) -> None:
    report = run_program(reader_folder).splitlines()
    assert report[0] == "birdstrikes: 40 reports"
    severities = {line.split(":")[0].strip(): int(line.split(":")[1]) for line in report[1:-1]}
    assert severities.keys() <= {"none", "minor", "serious"}
    assert sum(severities.values()) == 40
    assert "worst: strike-" in report[-1]


def test_a_finished_run_is_read_again_and_not_sent_again(reader_folder: Path) -> None:
    first = run_program(reader_folder, "--run-id", "twice")
    sent = list((reader_folder / "birdstrikes_emulator" / "batches").glob("*.json"))
    assert run_program(reader_folder, "--run-id", "twice") == first
    assert list((reader_folder / "birdstrikes_emulator" / "batches").glob("*.json")) == sent
