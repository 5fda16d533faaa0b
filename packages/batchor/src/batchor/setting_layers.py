"""Values as they were given, each with where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class OriginKind(StrEnum):
    """Who decided a setting; earlier ones go before later ones."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from."""

    kind: OriginKind = OriginKind.DEFAULT
    name: str | None = None
    """The flag, the variable, or the key in the file; None for a default."""
    path: Path | None = None
    """The file; of a variable, the `.env` that set it."""

    def __str__(self) -> str:
        match self.kind, self.path:
            case OriginKind.DEFAULT, _:
                return "default"
            case OriginKind.FILE, Path() as path:
                return f"{path}: {self.name}"
            case _, Path() as path:
                return f"{self.name} in {path}"
            case _:
                return str(self.name)


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave; not yet checked, and possibly a secret."""

    value: object = field(repr=False)
    origin: Origin


type Layer = Mapping[str, Given]
"""What one origin says, by setting."""
