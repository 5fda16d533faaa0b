"""A proxy before a server that loses requests and answers: the network on a bad day."""

import http.client
import random
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import cast
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length"}
FAULTS = {"drop_before": 0.04, "act_then_drop": 0.06, "act_then_500": 0.04, "throttle": 0.02}
"""Of so many calls in a hundred: the connection is lost before the server acted, or after it; it acted and
answers 500; it did not act and asks to come back."""


class FlakyProxy(ThreadingHTTPServer):
    """Listens on a free loopback port."""

    daemon_threads = True

    def __init__(self, target: str, *, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.faults = Counter[str]()
        self._rng = random.Random(seed)  # noqa: S311  repeatable
        self._lock = Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.target.path}"

    def draw(self) -> str:
        """What becomes of the next call."""
        with self._lock:
            left = self._rng.random()
            for fault, share in FAULTS.items():
                left -= share
                if left < 0:
                    self.faults[fault] += 1
                    return fault
            return "pass"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _proxy(self) -> FlakyProxy:
        return cast("FlakyProxy", self.server)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""

    def _serve(self) -> None:
        body = self._body()
        fault = self._proxy.draw()
        if fault == "drop_before":
            return self._drop()
        if fault == "throttle":
            return self._answer(429, b'{"error": {"message": "slow down", "type": "requests"}}', {"Retry-After": "0"})
        status, content, headers = self._forward(body)
        if fault == "act_then_drop":
            return self._drop()
        if fault == "act_then_500":
            return self._answer(500, b'{"error": {"message": "oops"}}', {})
        return self._answer(status, content, headers)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _forward(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        target = self._proxy.target
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
            return response.status, response.read(), kept
        finally:
            connection.close()

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        with suppress(ConnectionError):  # the client may have been killed meanwhile
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def _drop(self) -> None:
        self.close_connection = True

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()


@contextmanager
def flaky_proxy(target: str, *, seed: int) -> Generator[FlakyProxy]:
    with FlakyProxy(target, seed=seed) as proxy:
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
