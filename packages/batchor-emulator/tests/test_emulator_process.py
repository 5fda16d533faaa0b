from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import EmulatorProcess, EmulatorStartError

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]

_PARENT = """
import sys, time
from batchor_emulator import EmulatorProcess
emulator = EmulatorProcess().start()
print(emulator.pid, flush=True)
time.sleep(60)
"""


def _runs(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_the_emulator_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _runs(pid)
        parent.kill()
    deadline = time.monotonic() + 5
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_command_announces_its_url_and_ends_quickly_on_sigterm(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    command = [sys.executable, "-m", "batchor_emulator", "--port", "0", "--state-dir", str(tmp_path / "state")]
    with subprocess.Popen([*command, "--ready-file", str(ready_file)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rpartition(" ")[2].strip()
        assert httpx2.get(f"{url}/health").json() == {"status": "ok"}
        assert json.loads(ready_file.read_text()) == {"url": url, "pid": process.pid}
        started_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        assert time.monotonic() - started_at < 2


def test_sigterm_ends_it_quickly_in_the_middle_of_the_work(row: Row, start: Start, wait: Start) -> None:
    with (
        EmulatorProcess(arguments=["--run-s=60", "--validation-s=0"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        for _ in range(5):
            wait(openai, start(openai, [row(number) for number in range(1_000)]), "in_progress")
        started_at = time.monotonic()
        process.stop()
        assert time.monotonic() - started_at < 2


def test_a_port_that_is_taken_is_named(emulator: EmulatorProcess) -> None:
    with pytest.raises(EmulatorStartError, match="in use"):
        EmulatorProcess(port=emulator.port).start()


def test_a_chosen_port_is_used() -> None:
    with EmulatorProcess() as first:
        port = first.port
    with EmulatorProcess(port=port) as second:
        assert second.base_url == f"http://127.0.0.1:{port}/v1"
        assert httpx2.get(f"{second.url}/health").status_code == 200


def test_a_temporary_state_folder_goes_away() -> None:
    with EmulatorProcess() as process:
        assert process.state_dir.is_dir()
    assert not process.state_dir.exists()


def test_a_process_that_does_not_run_has_no_pid() -> None:
    with EmulatorProcess() as process:
        process.kill()
        process.kill()
        with pytest.raises(RuntimeError, match="start"):
            _ = process.pid


def test_the_control_routes_tell_what_was_executed_and_called(row: Row, start: Start, wait: Start) -> None:
    with (
        EmulatorProcess() as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        batch = wait(openai, start(openai, [row(number) for number in range(10)]))
        entries = [json.loads(line) for line in httpx2.get(f"{process.url}/emulator/ledger").text.splitlines()]
        assert {entry["custom_id"] for entry in entries} == {str(number) for number in range(10)}
        assert {entry["batch_id"] for entry in entries} == {batch.id}
        assert all(batch.created_at <= entry["executed_at"] <= time.time() for entry in entries)
        calls = httpx2.get(f"{process.url}/emulator/requests").json()
        assert calls["POST /v1/files"] == 1
        assert calls["POST /v1/batches"] == 1
        assert calls["GET /v1/batches/{batch_id}"] >= 1


def test_importing_the_package_loads_no_server() -> None:
    code = "import sys, batchor_emulator; print({'starlette', 'uvicorn', 'orjson', 'asyncio'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.strip() == "set()"
