"""The lines of output and error files, without their ends."""

from __future__ import annotations

import orjson

from batchor_emulator.identifiers import line_digest

_EXPIRED_MESSAGE = "This request could not be executed before the completion window expired."


def answered_line(custom_id: str, name: str, status_code: int, body: object) -> bytes:
    """The line of a request that was executed."""
    return orjson.dumps(
        {
            "id": f"batch_req_{name}",
            "custom_id": custom_id,
            "response": {"status_code": status_code, "request_id": f"req_{name}", "body": body},
            "error": None,
        }
    )


def expired_line(batch_id: str, custom_id: str) -> bytes:
    """The line of a request that was not run in time."""
    return orjson.dumps(
        {
            "id": f"batch_req_{line_digest(batch_id, custom_id)}",
            "custom_id": custom_id,
            "response": None,
            "error": {"code": "batch_expired", "message": _EXPIRED_MESSAGE},
        }
    )
