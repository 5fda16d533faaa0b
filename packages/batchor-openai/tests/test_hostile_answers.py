"""Answers that are made to harm whoever reads them."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from batchor_core.domain.batch import RemoteBatch
from batchor_core.errors import ProviderUnavailableError
from batchor_openai import OpenAIBatchClient, OpenAIProviderConfig
from batchor_openai.remote_batch import read_batch

DEEP = b"[" * 200_000
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

type Call = Callable[[OpenAIBatchClient], object]

CALLS: dict[str, Call] = {
    "upload": lambda client: client.upload(io.BytesIO(b"{}\n"), name="a.jsonl"),
    "create": lambda client: client.create(input_file_id="file-1", metadata={}),
    "get": lambda client: client.get("batch_1"),
    "find": lambda client: list(client.find(since=LONG_AGO)),
    "cancel": lambda client: client.cancel("batch_1"),
}


def serve(listener: socket.socket, body: bytes, requests: list[bytes]) -> None:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                requests.append(connection.recv(1 << 16))
                connection.sendall(head.encode() + body)
                while connection.recv(1 << 16):
                    pass


type Serve = Callable[[bytes], tuple[OpenAIBatchClient, list[bytes]]]


@pytest.fixture
def client_of() -> Iterator[Serve]:
    """A client whose server answers everything with one body, and the requests that it gets."""
    closing: list[Callable[[], object]] = []

    def make(body: bytes) -> tuple[OpenAIBatchClient, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        requests: list[bytes] = []
        thread = threading.Thread(target=serve, args=(listener, body, requests), daemon=True)
        thread.start()
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        client = OpenAIBatchClient(OpenAIProviderConfig(model="m", api_key="any", base_url=base_url))
        closing.extend((client.close, lambda: listener.shutdown(socket.SHUT_RDWR), listener.close, thread.join))
        return client, requests

    yield make
    for close in closing:
        close()


@pytest.mark.parametrize("field", ["metadata", "errors", "request_counts"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_answer_that_is_nested_without_end_says_nothing(client_of: Serve, call: Call, field: str) -> None:
    client, _ = client_of(b'{"id": "batch_1", "data": [{"id": "batch_1", "metadata": ' + DEEP + b'], "x": ' + DEEP)
    with pytest.raises(ProviderUnavailableError, match="not what this API gives"):
        call(client)
    nested, _ = client_of(f'{{"id": "a", "{field}": '.encode() + DEEP)
    with pytest.raises(ProviderUnavailableError, match="not what this API gives"):
        call(nested)


@pytest.mark.parametrize(
    "identifier", ["../files/file-1", "batch_1/../../organization", "a?b=c", "a#b", "a/b", "a\r\nX: y"]
)
def test_an_id_of_the_provider_leads_to_no_other_route(client_of: Serve, identifier: str) -> None:
    client, requests = client_of(b'{"id": "batch_1"}')
    client.get(identifier)
    (request,) = requests
    path = request.split(b" ")[1].decode()
    assert path.startswith("/v1/batches/")
    assert path.count("/") == 3
    assert not {"?", "#"} & set(path)
    assert b"\nX: y" not in request


def shown(**fields: Any) -> RemoteBatch:
    return read_batch(json.dumps({"id": "batch_1", "status": "failed", **fields}).encode())


def test_no_text_of_a_batch_holds_nul() -> None:
    nul = "a\0b"
    batch = shown(status=nul, input_file_id=nul, output_file_id=nul, error_file_id=nul, errors=[faulty(nul)])
    assert "\0" not in repr(batch).replace("\\x00", "\0")


@pytest.mark.parametrize("text", ["two\nlines", "a\x1b[2Jb", "a\u2028b", "a\u202eb", "a\rb"])
def test_the_reason_of_a_failed_batch_is_one_line_that_commands_no_terminal(text: str) -> None:
    (fault,) = shown(errors={"data": [faulty(text)]}).faults
    assert fault.message.isprintable()
    assert fault.message[0] == text[0]
    assert (fault.code or "").isprintable()


def test_the_reason_of_a_failed_batch_is_short_and_shows_no_key() -> None:
    (fault,) = shown(errors={"data": [faulty("Incorrect API key provided: sk-proj-abc123. " + "x" * 10_000)]}).faults
    assert "sk-proj" not in fault.message
    assert len(fault.message) < 1_000


def faulty(text: str) -> dict[str, object]:
    return {"code": text, "message": text, "param": text, "line": None}
