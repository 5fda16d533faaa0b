"""Reads parameters of calls, and refuses bad ones in OpenAI's words."""

from __future__ import annotations

import orjson
from starlette.requests import Request

from batchor_emulator.web.api_error import ApiError

MIN_EXPIRY_S = 3_600
MAX_EXPIRY_S = 2_592_000
_MAX_BODY_BYTES = 1024 * 1024
_MAX_METADATA_PAIRS = 16
_MAX_METADATA_KEY = 64
_MAX_METADATA_VALUE = 512


async def limited_body(request: Request) -> bytes:
    """The body of a call, which must have at most 1 MiB."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_BODY_BYTES:
            raise ApiError("The request body is too large.", status=413)
    return bytes(raw)


async def json_object(request: Request) -> dict[str, object]:
    """The body of a call, which must be a JSON object of at most 1 MiB."""
    try:
        body = orjson.loads(await limited_body(request))
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise ApiError("We could not parse the JSON body of your request. The API expects a JSON object.")
    return body


def required_text(body: dict[str, object], name: str) -> str:
    """A parameter that must be a string."""
    value = body.get(name)
    if value is None:
        raise ApiError(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    if not isinstance(value, str):
        raise ApiError(f"Invalid type for '{name}': expected a string.", param=name, code="invalid_type")
    return value


def page_limit(request: Request, *, default: int, most: int) -> int:
    """The query parameter `limit`."""
    raw = request.query_params.get("limit", str(default))
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= most:
        raise ApiError(
            f"Invalid 'limit': expected a value between 1 and {most}, but got {raw} instead.",
            param="limit",
            code="invalid_value",
        )
    return int(raw)


def expiry_seconds(anchor: object, seconds: object, *, param: str) -> int:
    """The seconds of an `expires_after`, 1 hour to 30 days."""
    if anchor != "created_at":
        raise ApiError("Supported values are: 'created_at'.", param=f"{param}.anchor", code="invalid_value")
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit():
        seconds = int(seconds[:9])
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not MIN_EXPIRY_S <= seconds <= MAX_EXPIRY_S:
        raise ApiError(
            f"Expected a value between {MIN_EXPIRY_S} and {MAX_EXPIRY_S}.",
            param=f"{param}.seconds",
            code="invalid_value",
        )
    return seconds


def checked_metadata(value: object) -> dict[str, str] | None:
    """At most 16 pairs of strings, of at most 64 and 512 characters."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ApiError("Invalid type for 'metadata': expected an object.", param="metadata", code="invalid_type")
    if len(value) > _MAX_METADATA_PAIRS:
        raise ApiError(
            f"Invalid 'metadata': too many properties. Expected an object with at most {_MAX_METADATA_PAIRS} "
            f"properties, but got an object with {len(value)} properties instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    for key, text in value.items():
        _check_pair(key, text)
    return value


def _check_pair(key: str, text: object) -> None:
    if not isinstance(text, str):
        raise ApiError(
            f"Invalid type for 'metadata.{key}': expected a string.", param=f"metadata.{key}", code="invalid_type"
        )
    for name, value, most in (("key", key, _MAX_METADATA_KEY), ("value", text, _MAX_METADATA_VALUE)):
        if len(value) > most:
            raise ApiError(
                f"Invalid 'metadata': {name} too long. Expected a string with maximum length {most}, "
                f"but got a string with length {len(value)} instead.",
                param="metadata",
                code="string_above_max_length",
            )
