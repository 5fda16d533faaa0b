"""The names of runs."""

import re
from datetime import datetime

from batchor_core.errors import InvalidRunIdError

_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


def check_run_id(run_id: object) -> str:
    """*run_id* itself, or `InvalidRunIdError`."""
    if not isinstance(run_id, str) or _PATTERN.fullmatch(run_id) is None or ".." in run_id:
        raise InvalidRunIdError(run_id)
    return run_id


def new_run_id(now: datetime, random_hex: str) -> str:
    """A run id that sorts by time, such as `batchor_20260403T120000Z_ab12cd34`."""
    return f"batchor_{now:%Y%m%dT%H%M%SZ}_{random_hex[:8]}"
