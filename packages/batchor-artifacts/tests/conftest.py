"""An S3-compatible server in a process of its own, on loopback."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import pytest


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of a server that answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        endpoint = f"http://127.0.0.1:{port}"
        try:
            _wait_for(endpoint, server)
            yield endpoint
        finally:
            server.terminate()


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The endpoint, with the environment that leads to it."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARYKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    return s3_endpoint


_numbers = count()


@pytest.fixture
def make_bucket(s3: str) -> Callable[[], str]:
    """Makes an empty bucket and tells its name."""

    def make() -> str:
        name = f"bucket-{next(_numbers)}"
        assert _ask(s3, "PUT", f"/{name}") == 200
        return name

    return make


def _wait_for(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            _ask(endpoint, "GET", "/moto-api/data.json")
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the server did not answer")


def _ask(endpoint: str, method: str, path: str) -> int:
    with closing(http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path)
        return connection.getresponse().status
