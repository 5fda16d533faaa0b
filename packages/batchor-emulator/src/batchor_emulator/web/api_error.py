"""Refusals of the HTTP API, in OpenAI's shape."""

from __future__ import annotations

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


class ApiError(Exception):
    """A refusal; *status* is its HTTP status."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code


class JsonResponse(Response):
    """A JSON body, written by orjson."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Encode *content*."""
        return orjson.dumps(content)


def error_response(error: ApiError) -> JsonResponse:
    """The response for a refusal."""
    body = {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}
    return JsonResponse({"error": body}, status_code=error.status)


async def on_api_error(_request: Request, error: Exception) -> Response:
    """Starlette's hook for `ApiError`."""
    assert isinstance(error, ApiError)  # noqa: S101 (registered for this class only)
    return error_response(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's hook for its own refusals: no such route, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this class only)
    message = f"Invalid URL ({request.method} {request.url.path})" if error.status_code == 404 else error.detail
    return error_response(ApiError(message, status=error.status_code))


async def on_crash(_request: Request, _error: Exception) -> Response:
    """Starlette's hook for everything else; the server logs the traceback."""
    message = "The server had an error while processing your request."
    return error_response(ApiError(message, status=500, kind="server_error"))
