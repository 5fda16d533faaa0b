"""The names of artifacts."""

import re

from batchor_core.errors import ArtifactError

MAX_NAME_CHARACTERS = 1_000
MAX_PART_CHARACTERS = 200
"""File systems allow 255; the rest is for what a store adds to the names of unfinished files."""

_PART = r"[a-z0-9][a-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_SHOWN_CHARACTERS = 60


def is_artifact_name(name: object) -> bool:
    """Whether *name* is one or more parts of `[a-z0-9][a-z0-9._-]*` joined by `/`, without `..`, and not too long."""
    return (
        isinstance(name, str)
        and len(name) <= MAX_NAME_CHARACTERS
        and _NAME.fullmatch(name) is not None
        and ".." not in name
        and max(map(len, name.split("/"))) <= MAX_PART_CHARACTERS
    )


def check_artifact_name(name: str) -> str:
    """*name* itself, or `ArtifactError`."""
    if is_artifact_name(name):
        return name
    shown = repr(name)
    shown = shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."
    raise ArtifactError(
        f"{shown} is not an artifact name: use parts of lower-case letters, digits, '.', '_' and '-' that begin "
        f"with a letter or a digit, joined by '/', without '..', at most {MAX_PART_CHARACTERS} characters a part "
        f"and {MAX_NAME_CHARACTERS} in all"
    )
