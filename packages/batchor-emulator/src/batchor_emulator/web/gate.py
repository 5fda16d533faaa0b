"""What every API call passes before its handler: it is counted, may meet a fault, and needs a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from batchor_emulator.faults.active import ActiveFaults
from batchor_emulator.identifiers import new_request_id
from batchor_emulator.web.api_error import ApiError, error_response
from batchor_emulator.web.disturbance import disturbed

type Handler = Callable[[Request], Awaitable[Response]]

_CLIENT_CLOSED_REQUEST = 499
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY); this emulator takes any."
)


@dataclass(slots=True)
class Gate:
    """Wraps the handlers of the API. The key is looked at, and neither kept nor shown."""

    faults: ActiveFaults
    calls: Counter[str] = field(default_factory=Counter)
    """Calls since the start, by method and route."""

    def guard(self, operation: str, route: str, handler: Handler) -> Handler:
        """*handler* as it is reached from outside; *operation* is its name in the SDK, *route* is `GET /v1/…`."""

        async def guarded(request: Request) -> Response:
            self.calls[route] += 1
            faults = self.faults.of_call(operation, route)
            try:
                if faults:
                    response = await disturbed(request, lambda: _answer(request, handler), faults)
                else:
                    response = await _answer(request, handler)
            except ClientDisconnect:
                response = Response(status_code=_CLIENT_CLOSED_REQUEST)  # that nobody will see
            response.headers["x-request-id"] = new_request_id()
            return response

        return guarded


async def _answer(request: Request, handler: Handler) -> Response:
    try:
        _require_key(request)
        return await handler(request)
    except ApiError as error:
        return error_response(error)


def _require_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiError(_NO_KEY, status=401, code="invalid_api_key")
