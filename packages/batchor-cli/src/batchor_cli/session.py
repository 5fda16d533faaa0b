"""What a command works with: the settings read, the runner made, and all of it closed again."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dotenv import load_dotenv

from batchor import BatchRunner
from batchor.container import Container
from batchor.secret_urls import holds_secret
from batchor.setting_fields import variable_of
from batchor.setting_layers import Given, Layer, Origin, OriginKind
from batchor.settings import (
    LoadedSettings,
    Settings,
    config_file_of,
    read_config_file,
    read_environment,
    read_settings,
)
from batchor_cli.options import Place
from batchor_core.errors import ConfigurationError
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import StateStore
from batchor_core.ports.system import Observer

_STORAGE = ("storage", "storage_url", "db_path")


@dataclass(frozen=True, slots=True)
class Session:
    """One command's runner and what stands behind it."""

    runner: BatchRunner
    store: StateStore
    artifacts: ArtifactStore
    settings: Settings


@contextmanager
def open_session(
    place: Place, *, must_exist: bool = True, observer: Observer | None = None, concurrency: int | None = None
) -> Generator[Session]:
    """A runner on the storage at *place*; a `.env` in the current folder adds to the environment first.

    With *must_exist*, an SQLite file that is not there is an error, so that a misspelt path is noticed. *concurrency*
    goes before what is set.
    """
    given = {"db_must_exist": must_exist or None, "concurrency": concurrency}
    changes = {name: value for name, value in given.items() if value is not None}
    settings = settings_at(place).settings.model_copy(update=changes)
    if concurrency is not None:
        settings = settings.model_copy(update={"concurrency": concurrency})
    container = Container(settings=settings, observer=observer)
    with container.runner() as runner:
        yield Session(runner, container.state_store(), container.artifact_store(), settings)


def settings_at(place: Place) -> LoadedSettings:
    """What flags, environment and `batchor.toml` decide; a `.env` in the current folder adds to the environment first."""
    dotenv_file, before = Path.cwd() / ".env", frozenset(os.environ)
    load_dotenv(dotenv_file, override=False)
    environment = read_environment(dotenv_file=dotenv_file, from_dotenv=frozenset(os.environ) - before)
    layers = [_flags(place), environment, read_config_file(config_file_of(place.config))]
    return read_settings(_apart(layers) if place.sandbox else layers)


def _flags(place: Place) -> Layer:
    given = {name: getattr(place, name) for name in (*_STORAGE, "artifacts")}
    flags = {
        name: Given(value, Origin(OriginKind.FLAG, f"--{name.replace('_', '-')}"))
        for name, value in given.items()
        if value is not None
    }
    for name, flag in flags.items():
        if holds_secret(str(flag.value)):
            raise ConfigurationError(
                f"{flag.origin} holds a password, and others on this machine can read the arguments of a command; "
                f"set {variable_of(name)} instead, or leave the password to PGPASSWORD or ~/.pgpass"
            )
    return flags


def _apart(layers: Sequence[Layer]) -> Sequence[Layer]:
    """*layers* with the sandbox apart from real runs, wherever environment and file keep those; a flag may say where."""
    flags, *lower = layers
    if flags.keys() & {*_STORAGE}:
        return layers
    origin = Origin(OriginKind.FLAG, "--sandbox")
    own = {"storage": Given("sqlite", origin), "db_name": Given("sandbox", origin)}
    hidden = {*_STORAGE, "db_name", "artifacts"}
    return [
        {**own, **flags},
        *({name: given for name, given in layer.items() if name not in hidden} for layer in lower),
    ]
