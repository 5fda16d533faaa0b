"""Ids that look like OpenAI's."""

from __future__ import annotations

import os
import re
from hashlib import blake2b

FILE_ID = re.compile(r"file-[0-9a-f]{24}")
BATCH_ID = re.compile(r"batch_[0-9a-f]{32}")


def new_file_id() -> str:
    """`file-` and 24 hexadecimal digits."""
    return f"file-{os.urandom(12).hex()}"


def new_batch_id() -> str:
    """`batch_` and 32 hexadecimal digits."""
    return f"batch_{os.urandom(16).hex()}"


def new_request_id() -> str:
    """`req_` and 32 hexadecimal digits: names one HTTP exchange."""
    return f"req_{os.urandom(16).hex()}"


def result_file_id(batch_id: str, kind: str) -> str:
    """The id of a batch's output or error file.

    It follows from the batch, so that publishing twice, after a crash, makes the same file.
    """
    return f"file-{blake2b(f'{batch_id}/{kind}'.encode(), digest_size=12).hexdigest()}"


def line_digest(batch_id: str, custom_id: str) -> str:
    """32 hexadecimal digits that name one request of one batch."""
    return blake2b(f"{batch_id}/{custom_id}".encode(), digest_size=16).hexdigest()
