"""Ctrl-C and SIGTERM."""

import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from batchor_emulator import EmulatorProcess


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


def test_a_stopped_wait_says_how_to_go_on(open_run: Any, slow_emulator: EmulatorProcess) -> None:
    before = calls(slow_emulator)
    process = open_run.begin("wait", "open-run")
    while calls(slow_emulator) == before:  # until it looks at its batch
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.decode().splitlines()[-1].strip() == "batchor wait open-run"


def calls(emulator: EmulatorProcess) -> int:
    """How often the provider's API was called."""
    with urlopen(f"{emulator.url}/emulator/requests", timeout=10) as answer:  # noqa: S310  a server of the test's own
        counts: dict[str, int] = json.load(answer)
    return sum(count for route, count in counts.items() if "/v1/" in route)
