"""Serves a call that faults strike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, assert_never, override

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from batchor_emulator.faults.call_fault import CallFault, Delay, Drop, Slow, Status, Truncate
from batchor_emulator.web.api_error import ApiError, error_response
from batchor_emulator.web.connection import connection_of

_PIECES_PER_S = 20
_MAX_HELD_BYTES = 8 * 1024 * 1024
_UNNAMED = ("The server had an error while processing your request.", "server_error", None)
_ERRORS: dict[int, tuple[str, str, str | None]] = {
    400: ("Your request could not be understood.", "invalid_request_error", None),
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    403: ("You are not allowed to do this.", "invalid_request_error", "permission_denied"),
    404: ("There is no such object.", "invalid_request_error", None),
    429: ("Rate limit reached for requests. Please try again later.", "requests", "rate_limit_exceeded"),
}
_QUOTA = "insufficient_quota"
_QUOTA_MESSAGE = "You exceeded your current quota, please check your plan and billing details."
_PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>\n"


async def disturbed(request: Request, act: Callable[[], Awaitable[Response]], faults: Iterable[CallFault]) -> Response:
    """Answer *request*, for which *act* does what it asks for, under *faults*, in their order."""
    for fault in faults:
        match fault:
            case Drop(when="before"):
                return DroppedResponse()
            case Status(when="before"):
                await _read_to_the_end(request)
                return _refusal(fault)
            case Delay(when="before"):
                await _delay(request, fault.delay_s)
    response = await act()
    for fault in faults:
        match fault:
            case Drop():
                return DroppedResponse()
            case Status():
                return _refusal(fault)
            case Delay():
                await asyncio.sleep(fault.delay_s if fault.when == "after" else 0)
            case Truncate() | Slow():
                response = ShapedResponse(response, fault)
            case _:
                assert_never(fault)
    return response


class DroppedResponse(Response):
    """No response: the connection ends."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await connection_of(scope).drop()


class ShapedResponse(Response):
    """Another response, of which less arrives, or arrives slowly."""

    def __init__(self, inner: Response, fault: Truncate | Slow) -> None:
        super().__init__(status_code=inner.status_code)
        self._inner = inner
        self._fault = fault

    @property
    @override
    def headers(self) -> MutableHeaders:
        return self._inner.headers

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match self._fault:
            case Truncate() as fault:
                shaped: Send = _Cut(scope, send, fault)
            case Slow() as fault:
                shaped = _Trickle(send, fault.bytes_per_s)
            case _:
                assert_never(self._fault)
        await self._inner(scope, receive, shaped)


class _Cut:
    """Sends the first part of a body, and ends the connection there, or the body."""

    def __init__(self, scope: Scope, send: Send, fault: Truncate) -> None:
        self._scope = scope
        self._send = send
        self._fault = fault
        self._left = 0
        self._has_ended = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif not self._has_ended:
            await self._body(message)

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(raw=message["headers"])
        self._left = int(int(headers["content-length"]) * self._fault.keep_share)
        if self._fault.silently:
            headers["content-length"] = str(self._left)
        await self._send(message)

    async def _body(self, message: Message) -> None:
        kept = message.get("body", b"")[: self._left]
        self._left -= len(kept)
        self._has_ended = self._left == 0
        if not self._has_ended and not message.get("more_body", False):
            await self._send({**message, "body": kept})  # the answer to HEAD: a length, and no body
            return
        await self._send({"type": "http.response.body", "body": kept, "more_body": True})
        if self._has_ended and self._fault.silently:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        elif self._has_ended:
            await connection_of(self._scope).drop()


@dataclass(frozen=True, slots=True)
class _Trickle:
    """Sends a body in small pieces, with pauses."""

    send: Send
    bytes_per_s: int

    async def __call__(self, message: Message) -> None:
        body = memoryview(message.get("body", b""))
        piece_bytes = max(1, self.bytes_per_s // _PIECES_PER_S)
        for start in range(0, len(body), piece_bytes):
            piece = body[start : start + piece_bytes]
            await self.send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
            await asyncio.sleep(len(piece) / self.bytes_per_s)
        await self.send(message if not body else {**message, "body": b""})


async def _delay(request: Request, delay_s: float) -> None:
    # Once a client has gone, its body can't be read any more; what it asked for must be done all the same.
    if int(request.headers.get("content-length", 0)) <= _MAX_HELD_BYTES:
        await request.body()
    await asyncio.sleep(delay_s)


async def _read_to_the_end(request: Request) -> None:
    # A client that is still sending a large upload would not see the answer.
    async for _ in request.stream():
        pass


def _refusal(fault: Status) -> Response:
    response = HTMLResponse(_PAGE.format(status=fault.status), fault.status) if fault.as_html else _error(fault)
    if fault.retry_after_s is not None:
        response.headers["retry-after"] = f"{fault.retry_after_s:g}"
    return response


def _error(fault: Status) -> Response:
    message, kind, code = _ERRORS.get(fault.status, _UNNAMED)
    if fault.code == _QUOTA:
        message, kind = _QUOTA_MESSAGE, _QUOTA
    return error_response(
        ApiError(fault.message or message, status=fault.status, kind=kind, code=fault.code or code),
    )
