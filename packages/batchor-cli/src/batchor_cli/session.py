"""What a command works with: the environment read, the runner made, and all of it closed again."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dotenv import load_dotenv

from batchor import BatchRunner
from batchor.container import Container
from batchor.settings import Settings, load_settings
from batchor_cli.options import Place
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import StateStore
from batchor_core.ports.system import Observer


@dataclass(frozen=True, slots=True)
class Session:
    """One command's runner and what stands behind it."""

    runner: BatchRunner
    store: StateStore
    artifacts: ArtifactStore
    settings: Settings


@contextmanager
def open_session(place: Place, *, must_exist: bool = True, observer: Observer | None = None) -> Generator[Session]:
    """A runner on the storage at *place*; a `.env` in the current folder adds to the environment first.

    With *must_exist*, a database that is not there is an error, so that a misspelt path is noticed.
    """
    load_dotenv(Path.cwd() / ".env", override=False)
    settings = _settings(place, must_exist=must_exist)
    container = Container(settings=settings, observer=observer)
    with container.runner() as runner:
        yield Session(runner, container.state_store(), container.artifact_store(), settings)


def _settings(place: Place, *, must_exist: bool) -> Settings:
    changes: dict[str, object] = {}
    if must_exist:
        changes["db_must_exist"] = True
    if place.db_path is not None:
        changes |= {"storage": "sqlite", "db_path": place.db_path}
    elif place.sandbox:
        # Apart from real runs, also where the environment names a database.
        changes |= {"storage": "sqlite", "db_path": None, "db_name": "sandbox"}
    return load_settings().model_copy(update=changes)
