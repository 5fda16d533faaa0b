"""`batchor.toml`: settings that lie beside a project.

```toml
storage = "sqlite"
db_path = "runs/state.sqlite3"    # a relative path is relative to this file
artifacts = "runs/files"
concurrency = 8
```

A file that is *found* comes with a folder, possibly a stranger's, and nobody chose to read it. So it may only say what harms nothing:

- Its paths stay inside its own folder, links followed.
- It names no other machine: no `storage_url` but of SQLite, and no URL for `artifacts`. A file that could would
  send prompts and answers to its author.
- It names a storage, never a module, a class or code: names lead to installed packages only.
- It holds no secret. Nor may a file that the user names (`--config`, `BATCHOR_CONFIG`), which is free otherwise.
- It says nothing of keys, models, prompts and servers: there are no such settings.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError
from pydantic_settings import TomlConfigSettingsSource

from batchor.secret_urls import MASK, holds_secret, is_secret_name
from batchor.setting_fields import Settings, variable_of
from batchor.setting_layers import Given, Layer, Origin, OriginKind
from batchor_core.errors import ConfigurationError
from batchor_core.plugins import sqlite_path, storage_of_url

FILE_NAME = "batchor.toml"

_MAX_BYTES = 64 * 1024
_PATHS = ("db_path", "artifacts")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file to read, absolute."""

    path: Path
    is_chosen: bool
    """Whether the user named it."""


def find_config_file(folder: Path) -> ConfigFile | None:
    """The nearest `batchor.toml` in *folder* or above it, no higher than the repository's root, else the home folder.

    A folder that is in neither is looked at alone: above it may be folders that everybody can write to.
    """
    files = (place / FILE_NAME for place in _searched(folder.absolute()))
    return next((ConfigFile(file, is_chosen=False) for file in files if file.is_file()), None)


def read_config_file(file: ConfigFile | None) -> Layer:
    """What the file says, checked; relative paths are made absolute. Without a file, nothing.

    `ConfigurationError` names file, line and key, and never shows a secret.
    """
    if file is None:
        return {}
    page = _Page(file, _read(file.path).splitlines())
    return {key: Given(page.checked(key, value), page.origin(key)) for key, value in _parsed(file.path).items()}


def _searched(folder: Path) -> Iterator[Path]:
    above = [folder, *folder.parents]
    repository = next((place for place in above if (place / ".git").exists()), None)
    home = _home()
    top = repository or (home if home is not None and home in above else folder)
    yield from takewhile(lambda place: place.is_relative_to(top), above)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no account, no HOME
        return None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the settings cannot be read ({error.strerror}); correct the path, or leave it out"
        ) from error
    if len(content) > _MAX_BYTES:
        raise ConfigurationError(f"{path}: {_MAX_BYTES:,} bytes are enough for settings; this is another file")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8") from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return TomlConfigSettingsSource(Settings, toml_file=path).toml_data
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}; correct it there") from None


@dataclass(frozen=True, slots=True)
class _Page:
    file: ConfigFile
    lines: list[str]

    def origin(self, key: str) -> Origin:
        return Origin(OriginKind.FILE, key, self.file.path)

    def checked(self, key: str, value: object) -> object:
        self._check_name(key)
        self._check_type(key, value)
        if key == "storage_url":
            return self._checked_url(key, str(value))
        return self._checked_place(key, str(value)) if key in _PATHS else value

    def _check_name(self, key: str) -> None:
        if key in Settings.model_fields:
            return
        if is_secret_name(key):
            raise self._error(
                key, "secrets do not belong into a file; set OPENAI_API_KEY in the environment, and remove the line"
            )
        near = difflib.get_close_matches(key.lower().removeprefix("batchor_"), Settings.model_fields, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"there are: {', '.join(Settings.model_fields)}"
        raise self._error(key, f"no such setting; {remedy}")

    def _check_type(self, key: str, value: object) -> None:
        """Strictly: in a file, unlike in the environment, a number needs no quotes."""
        field = Settings.model_fields[key]
        try:
            # A date becomes a list, which no setting is: as text it would pass for a path.
            text = json.dumps(value, default=lambda date: [str(date)])
            TypeAdapter(field.rebuild_annotation()).validate_json(text, strict=True)
        except ValidationError as error:
            shown = MASK if key == "storage_url" else repr(value)
            raise self._error(
                key, f"{error.errors()[0]['msg']}, not {shown}; correct the value, or remove the line"
            ) from None

    def _checked_url(self, key: str, url: str) -> str:
        if holds_secret(url):
            raise self._error(
                key,
                f"the URL holds a password, which does not belong into a file; set {variable_of(key)} in the "
                "environment, or leave the password to PGPASSWORD or ~/.pgpass",
            )
        if storage_of_url(url) == "sqlite":
            return f"sqlite:///{quote(str(self._inside(key, sqlite_path(url))))}"
        self._refuse_elsewhere(key)
        return url

    def _checked_place(self, key: str, place: str) -> str:
        if "://" not in place:
            return str(self._inside(key, Path(place)))
        if holds_secret(place):
            raise self._error(key, "the URL holds a secret, which does not belong into a file; remove it there")
        self._refuse_elsewhere(key)
        return place

    def _refuse_elsewhere(self, key: str) -> None:
        if not self.file.is_chosen:
            raise self._error(
                key,
                "a file that is merely found names no other machine, for it may be a stranger's; "
                f"set {variable_of(key)}, or name the file with --config or {variable_of('config')}",
            )

    def _inside(self, key: str, relative: Path) -> Path:
        folder = self.file.path.parent
        place = folder / relative
        if not self.file.is_chosen and not place.resolve().is_relative_to(folder.resolve()):
            raise self._error(
                key,
                f"{relative} leads out of {folder}, and a file that is merely found stays in its folder; "
                f"set {variable_of(key)}, or name the file with --config or {variable_of('config')}",
            )
        return place

    def _error(self, key: str, problem: str) -> ConfigurationError:
        name = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
        line = next((number for number, text in enumerate(self.lines, start=1) if name.match(text)), None)
        where = f"{self.file.path}, line {line}" if line is not None else str(self.file.path)
        return ConfigurationError(f"{where}: {key!r}: {problem}")
