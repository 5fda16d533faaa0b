"""What becomes of every kind of bad answer, over a real socket: which error, how often it was asked, what it shows."""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

import pytest

from batchor_core.errors import (
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderUnavailableError,
    RefusalConsequence,
)
from batchor_openai import OpenAIBatchClient, OpenAIProviderConfig
from batchor_testkit.provider_contract import MemorySink

KEY = "sk-canary-0123456789abcdef"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BATCH = (
    '{"id": "batch_1", "object": "batch", "status": "validating", "created_at": 1700000000, "input_file_id": "file-1"}'
)

type Call = Callable[[OpenAIBatchClient], object]

CALLS: dict[str, Call] = {
    "upload": lambda client: client.upload(io.BytesIO(b"{}\n"), name="a.jsonl"),
    "create": lambda client: client.create(input_file_id="file-1", metadata={"key": "value"}),
    "get": lambda client: client.get("batch_1"),
    "find": lambda client: list(client.find(since=LONG_AGO)),
    "cancel": lambda client: client.cancel("batch_1"),
    "download": lambda client: client.download("file-1", MemorySink(), max_bytes=1_000),
    "delete": lambda client: client.delete("file-1"),
}
every_call = pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))


def answer(status: int, body: str = "{}", **headers: str) -> bytes:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body.encode())), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Reason\r\n{head}\r\n{body}".encode()


def fault(status: int, message: str = "It went wrong.", *, code: str = "some_code", **headers: str) -> bytes:
    body = f'{{"error": {{"message": "{message}", "type": "some_type", "param": null, "code": "{code}"}}}}'
    return answer(status, body, **headers)


class ScriptedServer:
    """Answers each request with the next of its answers, the last one for ever; None: closes the connection."""

    def __init__(self, *answers: bytes | None, hangs: bool = False) -> None:
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._hangs = hangs
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self.requests.append(_received(connection))
                if self._hangs:
                    self._stopped.wait(5)
                reply = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if reply is not None:
                    connection.sendall(reply)


def _received(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def client_of(server: ScriptedServer, *, timeout_s: float = 5.0) -> OpenAIBatchClient:
    config = OpenAIProviderConfig(model="m", api_key=KEY, base_url=server.base_url, request_timeout_s=timeout_s)
    return OpenAIBatchClient(config)


def error_of(call: Call, *answers: bytes | None) -> ProviderError:
    with ScriptedServer(*answers) as server:
        client = client_of(server)
        with pytest.raises(ProviderError) as failure:
            call(client)
        client.close()
    assert len(server.requests) == 1, "asked more than once"
    return failure.value


def whole_text(error: BaseException | None) -> Iterator[str]:
    """An error, all that it drags along, and all that those hold."""
    while error is not None:
        yield f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


@every_call
@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_an_unclear_answer_leaves_open_whether_the_provider_acted(call: Call, status: int) -> None:
    error = error_of(call, fault(status))
    assert type(error) is ProviderUnavailableError
    assert (error.status_code, error.code) == (status, "some_code")


@every_call
def test_a_dropped_connection_leaves_open_whether_the_provider_acted(call: Call) -> None:
    assert type(error_of(call, None)) is ProviderUnavailableError


@every_call
def test_a_server_that_is_not_there_is_unavailable(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    client = OpenAIBatchClient(OpenAIProviderConfig(model="m", api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1"))
    with pytest.raises(ProviderUnavailableError, match="connection"):
        call(client)
    client.close()


def test_a_call_without_progress_ends_after_the_timeout() -> None:
    with ScriptedServer(None, hangs=True) as server:
        client = client_of(server, timeout_s=0.2)
        with pytest.raises(ProviderUnavailableError, match=r"no answer within 0\.2 s"):
            CALLS["create"](client)
        client.close()
    assert len(server.requests) == 1


@every_call
def test_429_means_that_it_did_not_act_and_may_later(call: Call) -> None:
    error = error_of(call, fault(429, Retry_After="7"))
    assert isinstance(error, ProviderThrottledError)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry_After": "1.5"}, 1.5),
        ({"Retry_After": "500"}, 500.0),
        ({"Retry_After": "-3"}, 0.0),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "soon"}, None),
        ({}, None),
        ({"Retry_After": "Sun, 06 Nov 1994 08:50:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        ({"Retry_After": "Sun, 06 Nov 1994 08:50:37 GMT"}, None),
    ],
    ids=repr,
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], expected: float | None) -> None:
    for status in (429, 503):
        error = error_of(CALLS["get"], fault(status, **headers))
        assert isinstance(error, ProviderUnavailableError)
        assert error.retry_after_s == expected


@every_call
@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
@pytest.mark.parametrize("status", [429, 400, 403])
def test_an_account_without_quota_is_refused_whatever_the_status(call: Call, code: str, status: int) -> None:
    error = error_of(call, fault(status, code=code))
    assert isinstance(error, ProviderRefusedError)
    assert error.consequence is RefusalConsequence.QUOTA


@pytest.mark.parametrize(
    ("status", "consequence"),
    [
        (400, RefusalConsequence.REQUEST),
        (401, RefusalConsequence.AUTH),
        (403, RefusalConsequence.AUTH),
        (404, RefusalConsequence.NOT_FOUND),
        (413, RefusalConsequence.REQUEST),
        (422, RefusalConsequence.REQUEST),
    ],
)
@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"delete"}))
def test_a_definite_refusal_tells_what_it_means(name: str, status: int, consequence: RefusalConsequence) -> None:
    error = error_of(CALLS[name], fault(status, "The reason."))
    assert isinstance(error, ProviderRefusedError)
    assert (error.consequence, error.status_code, error.code) == (consequence, status, "some_code")
    assert "The reason." in str(error)


def test_a_file_that_is_not_visible_yet_is_asked_for_again_later() -> None:
    error = error_of(CALLS["create"], fault(400, "Cannot find file file-1.", code="invalid_value"))
    assert isinstance(error, ProviderThrottledError)


@every_call
def test_a_redirect_is_not_followed(call: Call) -> None:
    with ScriptedServer(answer(200, BATCH)) as elsewhere:
        error = error_of(call, answer(307, Location=f"{elsewhere.base_url}/batches"))
    assert isinstance(error, ProviderRefusedError)
    assert "base_url" in str(error)
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", '{"id": ""}', '{"id": 7}', '{"data": [{}]}', "<html>", "[" * 100_000, "\x00"]
)
@pytest.mark.parametrize("name", ["upload", "create", "get", "cancel"])
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
def test_an_answer_that_says_nothing_leaves_open_whether_the_provider_acted(
    name: str, body: str, content_type: str
) -> None:
    error = error_of(CALLS[name], answer(200, body, Content_Type=content_type))
    assert type(error) is ProviderUnavailableError


@pytest.mark.parametrize("body", ["[]", '{"data": [{}]}', "<html>"])
def test_a_listing_that_cannot_be_read_is_not_taken_for_an_empty_one(body: str) -> None:
    assert type(error_of(CALLS["find"], answer(200, body))) is ProviderUnavailableError


def test_a_download_that_breaks_off_is_unavailable() -> None:
    error = error_of(CALLS["download"], answer(200, "abc", Content_Length="10"))
    assert type(error) is ProviderUnavailableError


def test_a_download_that_is_packed_in_an_unknown_way_is_refused() -> None:
    error = error_of(CALLS["download"], answer(200, "abc", Content_Encoding="br"))
    assert isinstance(error, ProviderRefusedError)


def test_an_error_of_the_sink_is_not_the_providers() -> None:
    class FullSink(MemorySink):
        def write(self, data: bytes, /) -> int:
            raise OSError("no space left")

    with ScriptedServer(answer(200, "abc")) as server:
        client = client_of(server)
        with pytest.raises(OSError, match="no space left"):
            client.download("file-1", FullSink(), max_bytes=10)
        client.close()


@every_call
@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}.",
        "Incorrect API key provided: sk-canar**********cdef.",
        "Bad header: Authorization: Bearer " + KEY,
        "Bad key canar*****cdef",
        "Bad key sk-canary-0123…cdef",
    ],
)
def test_no_error_shows_the_key_or_a_part_of_it(call: Call, said: str) -> None:
    error = error_of(call, fault(401, said, code="sk-canary-0123456789abcdef"))
    for text in whole_text(error):
        for part in (KEY, "canar", "cdef", "0123"):
            assert part not in text


def test_a_key_of_any_form_is_not_shown() -> None:
    key = "gateway-token-42"
    with ScriptedServer(fault(401, f"The token {key} is unknown.")) as server:
        client = OpenAIBatchClient(OpenAIProviderConfig(model="m", api_key=key, base_url=server.base_url))
        with pytest.raises(ProviderRefusedError, match=r"The token \*\*\* is unknown") as refusal:
            client.get("batch_1")
        client.close()
    assert all(key not in text for text in whole_text(refusal.value))


@every_call
def test_an_error_does_not_drag_the_request_along(call: Call) -> None:
    error = error_of(call, fault(500))
    assert (error.__cause__, error.__context__) == (None, None)


def test_messages_stay_short_and_on_one_line() -> None:
    error = error_of(CALLS["get"], answer(500, "<html>\r\n\x1b[31m" + "x" * 10_000, Content_Type="text/html"))
    assert len(str(error)) < 700
    assert str(error).isprintable()


def test_the_key_is_asked_for_anew_at_each_call() -> None:
    keys = iter(["sk-first", "sk-second"])
    with ScriptedServer(answer(200, BATCH)) as server:
        client = OpenAIBatchClient(
            OpenAIProviderConfig(model="m", api_key=lambda: next(keys), base_url=server.base_url, project="proj-1")
        )
        client.get("batch_1")
        client.get("batch_1")
        client.close()
    assert [b"Bearer sk-first" in server.requests[0], b"Bearer sk-second" in server.requests[1]] == [True, True]
    assert b"openai-project: proj-1" in server.requests[0].lower()


def page(*created_at: int, has_more: bool) -> bytes:
    entries = ", ".join(
        f'{{"id": "b{second}", "status": "completed", "created_at": {second}}}' for second in created_at
    )
    return answer(200, f'{{"object": "list", "data": [{entries}], "has_more": {str(has_more).lower()}}}')


def found(since_s: int, *pages: bytes) -> tuple[list[str], list[bytes]]:
    with ScriptedServer(*pages) as server:
        client = client_of(server)
        batches = [batch.provider_batch_id for batch in client.find(since=datetime.fromtimestamp(since_s, UTC))]
        client.close()
    return batches, [request.split(b" ")[1] for request in server.requests]


def test_the_listing_goes_through_all_pages() -> None:
    batches, paths = found(1, page(5, 4, has_more=True), page(3, 2, has_more=False))
    assert batches == ["b5", "b4", "b3", "b2"]
    assert paths == [b"/v1/batches?limit=100", b"/v1/batches?limit=100&after=b4"]


def test_the_listing_stops_behind_the_given_time() -> None:
    batches, paths = found(4, page(5, 4, 3, has_more=True), page(2, 1, has_more=False))
    assert batches == ["b5", "b4"]
    assert len(paths) == 1


def test_a_server_that_gives_one_page_for_ever_is_left() -> None:
    batches, paths = found(1, page(5, 4, has_more=True))
    assert set(batches) == {"b5", "b4"}
    assert len(paths) == 2
