"""A whole run whose artifacts lie in a bucket: started here, driven by another process that has nothing but the database."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from batchor_emulator import EmulatorProcess

BATCHOR = str(Path(sys.executable).with_name("batchor"))
ROWS = 600


@pytest.fixture
def bucket_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server that speaks S3, with the environment that leads to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
    }.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _make_bucket(f"{endpoint}/runs")
            yield "s3://runs/of/ours"
        finally:
            server.terminate()


def _make_bucket(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urlopen(Request(url, method="PUT"), timeout=10).close()  # noqa: S310  a server of the test's own
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def test_a_run_with_artifacts_in_a_bucket_is_started_here_and_driven_there(
    bucket_url: str, emulator: EmulatorProcess, first_rows: Callable[[int], Path], tmp_path: Path
) -> None:
    def batchor(*arguments: str, home: str) -> None:
        (tmp_path / home).mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "BATCHOR_DB_PATH": str(tmp_path / "state.sqlite3"),
            "BATCHOR_ARTIFACTS": bucket_url,
            "BATCHOR_POLL_INTERVAL_S": "0.1",
            "OPENAI_BASE_URL": emulator.base_url,
            "OPENAI_API_KEY": "any",
        }
        done = subprocess.run(
            [BATCHOR, *arguments], cwd=tmp_path / home, env=environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()

    job = ["--id-field", "id", "--prompt-field", "species", "--model", "gpt-4.1", "--max-requests", "200"]
    batchor("start", "--detach", "--input", str(first_rows(ROWS)), *job, "--run-id", "r", home="here")
    batchor("worker", "--until-idle", home="there")
    batchor("export-artifacts", "r", "--destination-dir", "bundle", home="there")
    batchor("verify", "bundle/r", home="there")
    assert len((tmp_path / "there" / "bundle" / "r" / "results.jsonl").read_text().splitlines()) == ROWS
    assert sorted(path.name for path in tmp_path.iterdir() if "state" not in path.name) == ["here", "there"]
