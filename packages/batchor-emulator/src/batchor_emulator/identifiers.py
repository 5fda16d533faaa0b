"""Ids that look like OpenAI's."""

from __future__ import annotations

import os
import re
import uuid
from hashlib import blake2b

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FILE_ID = re.compile(rf"file-[0-9a-f]{{24}}|{_UUID}")
BATCH_ID = re.compile(rf"batch_[0-9a-f]{{32}}|{_UUID}")


def new_file_id(*, as_uuid: bool) -> str:
    """`file-` and 24 hexadecimal digits; or a UUID, as other servers have."""
    return str(uuid.uuid4()) if as_uuid else f"file-{os.urandom(12).hex()}"


def new_batch_id(*, as_uuid: bool) -> str:
    """`batch_` and 32 hexadecimal digits, or a UUID."""
    return str(uuid.uuid4()) if as_uuid else f"batch_{os.urandom(16).hex()}"


def new_request_id() -> str:
    """`req_` and 32 hexadecimal digits: names one HTTP exchange."""
    return f"req_{os.urandom(16).hex()}"


def result_file_id(batch_id: str, kind: str) -> str:
    """The id of a batch's output or error file.

    It follows from the batch, so that publishing twice, after a crash, makes the same file.
    """
    digest = blake2b(f"{batch_id}/{kind}".encode(), digest_size=16)
    return f"file-{digest.hexdigest()[:24]}" if batch_id.startswith("batch_") else str(uuid.UUID(digest.hexdigest()))


def line_digest(batch_id: str, custom_id: str) -> str:
    """32 hexadecimal digits that name one request of one batch."""
    return blake2b(f"{batch_id}/{custom_id}".encode(), digest_size=16).hexdigest()
