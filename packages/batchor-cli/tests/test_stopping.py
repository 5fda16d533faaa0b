"""Ctrl-C and SIGTERM."""

import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_go_on_and_that_works(
    batchor: Any, two_thousand: Path, options: Any, number: signal.Signals, code: int
) -> None:
    lease = {"BATCHOR_LEASE_TTL_S": "1"}
    process = batchor.begin("run", "--sandbox", *options(two_thousand), "--output", "out file.jsonl", env=lease)
    run_id = process.stderr.readline().decode().removeprefix("run ").strip()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (code, b"")
    program, *arguments = shlex.split(stderr.decode().strip().splitlines()[-1])
    assert program == "batchor"
    assert arguments[-2:] == ["--run-id", run_id]
    finished = batchor(*arguments, env=lease)
    assert finished.code == 0, finished.stderr
    assert len((batchor.folder / "out file.jsonl").read_text().splitlines()) == 2_000


def test_a_stopped_wait_says_how_to_go_on(open_run: Any) -> None:
    process = open_run.begin("wait", "open-run")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.decode().splitlines()[-1].strip() == "batchor wait open-run"
