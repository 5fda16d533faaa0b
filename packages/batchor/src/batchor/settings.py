"""What is set: by an argument or flag, else by a variable `BATCHOR_*`, else by `batchor.toml`, else by default."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from batchor.config_file import ConfigFile, find_config_file, read_config_file
from batchor.secret_urls import masked
from batchor.setting_fields import Settings, variable_of
from batchor.setting_layers import Given, Layer, Origin, OriginKind
from batchor.storage_place import PATH, STORAGE, URL, storage_place
from batchor_core.errors import ConfigurationError

__all__ = [
    "ConfigFile",
    "LoadedSettings",
    "Settings",
    "config_file_of",
    "load_settings",
    "read_config_file",
    "read_environment",
    "read_settings",
]

CONFIG_VARIABLE = variable_of("config")


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and who decided each of them."""

    settings: Settings
    origins: Mapping[str, Origin]
    """By setting; what is not there has its default."""
    unused: Sequence[tuple[str, Origin]] = ()
    """What was given for another storage than the one that was chosen above it."""

    def origin(self, setting: str) -> Origin:
        return self.origins.get(setting, Origin())


def load_settings(*, config_file: Path | None = None) -> Settings:
    """The settings of this environment and of `batchor.toml`: *config_file*, else `BATCHOR_CONFIG`, else found.

    `ConfigurationError` names each variable, or the file's line, that cannot be used. A `.env` file is not read.
    """
    return read_settings([read_environment(), read_config_file(config_file_of(config_file))]).settings


def read_environment(*, dotenv_file: Path | None = None, from_dotenv: frozenset[str] = frozenset()) -> Layer:
    """What the variables say; those *from_dotenv* were set by that file."""
    values: dict[str, object] = EnvSettingsSource(Settings)()
    origins = {
        name: Origin(OriginKind.ENVIRONMENT, variable, dotenv_file if variable in from_dotenv else None)
        for name in values
        for variable in [variable_of(name)]
    }
    return {name: Given(value, origins[name]) for name, value in values.items()}


def config_file_of(named: Path | None) -> ConfigFile | None:
    """The file *named*, else the one in `BATCHOR_CONFIG`, else the one that is found from the working folder."""
    chosen = named or os.environ.get(CONFIG_VARIABLE)
    if chosen:
        return ConfigFile(Path(chosen).absolute(), is_chosen=True)
    return find_config_file(Path.cwd())


def read_settings(layers: Sequence[Layer]) -> LoadedSettings:
    """The settings by *layers*, the highest first."""
    merged: dict[str, Given] = {}
    for layer in reversed(layers):
        merged |= layer
    place = storage_place(layers)
    given = {name: each for name, each in merged.items() if name not in (STORAGE, URL, PATH)} | place.chosen
    return LoadedSettings(
        _validated(given),
        {name: each.origin for name, each in given.items()},
        [(name, each.origin) for name, each in place.unused],
    )


def _validated(given: Mapping[str, Given]) -> Settings:
    values: dict[str, Any] = {name: each.value for name, each in given.items()}
    try:
        return Settings(**values)
    except ValidationError as error:
        faults = [(given[str(fault["loc"][0])], fault["msg"]) for fault in error.errors()]
    listing = "; ".join(f"{each.origin}={masked(repr(each.value))}: {problem}" for each, problem in faults)
    raise ConfigurationError(f"these settings cannot be used: {listing}; correct or unset them")
