from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers

from batchor.container import Container
from batchor.settings import Settings
from batchor_artifacts import LocalArtifactStore
from batchor_core import BatchRunner, MemoryArtifactStore, MemoryStateStore, RunEvent
from batchor_core.errors import ConfigurationError, RunNotFoundError, StorageError, UnknownAdapterError
from batchor_sqlite import SQLiteStorage


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(db_path=tmp_path / "state.sqlite3")


def test_every_provider_can_be_built(settings: Settings) -> None:
    container = Container(settings=settings)
    built: dict[str, Any] = {name: provider() for name, provider in container.providers.items()}
    assert set(built) == {"settings", "observer", "clock", "state_store", "artifact_store", "runner"}
    assert isinstance(built["state_store"], SQLiteStorage)
    assert isinstance(built["artifact_store"], LocalArtifactStore)
    assert isinstance(built["runner"], BatchRunner)


def test_each_thing_is_made_once(settings: Settings) -> None:
    container = Container(settings=settings)
    assert container.runner() is container.runner()
    assert container.state_store() is container.state_store()


def test_building_a_runner_opens_no_file(settings: Settings, tmp_path: Path) -> None:
    Container(settings=settings).runner()
    assert not list(tmp_path.iterdir())


def test_the_runner_works_on_the_storage_of_the_settings(settings: Settings, tmp_path: Path) -> None:
    with Container(settings=settings).runner() as runner, pytest.raises(RunNotFoundError):
        runner.get_run("none")
    assert (tmp_path / "state.sqlite3").exists()


def test_a_storage_may_be_named(settings: Settings) -> None:
    container = Container(settings=settings.model_copy(update={"storage": "memory"}))
    assert isinstance(container.state_store(), MemoryStateStore)
    assert isinstance(container.artifact_store(), MemoryArtifactStore)


def test_the_url_of_an_sqlite_file_is_that_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'by_url.sqlite3'}"
    store = Container(settings=Settings(storage_url=url)).state_store()
    assert isinstance(store, SQLiteStorage)
    assert store.path == tmp_path / "by_url.sqlite3"


def test_a_storage_that_takes_no_url_is_not_given_one() -> None:
    with pytest.raises(ConfigurationError, match="'memory' takes no URL"):
        Container(settings=Settings(storage="memory", storage_url="memory://x")).runner()


def test_artifacts_may_lie_elsewhere(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"artifacts": str(tmp_path / "files")})
    with Container(settings=elsewhere).artifact_store().create("run/a") as file:
        file.write(b"1")
    assert (tmp_path / "files" / "run" / "a").exists()


def test_an_unknown_storage_is_refused(settings: Settings) -> None:
    container = Container(settings=settings.model_copy(update={"storage": "floppy"}))
    with pytest.raises(UnknownAdapterError, match="floppy"):
        container.runner()


def test_a_database_that_must_exist_is_not_created(settings: Settings, tmp_path: Path) -> None:
    container = Container(settings=settings.model_copy(update={"db_must_exist": True}))
    with pytest.raises(StorageError, match="there is no database"):
        container.runner()
    assert not list(tmp_path.iterdir())


def test_a_store_can_be_replaced(settings: Settings) -> None:
    store = MemoryStateStore()
    container = Container(settings=settings, state_store=providers.Object(store))
    assert container.state_store() is store


def test_an_observer_reaches_the_container_as_it_is(settings: Settings) -> None:
    events: list[RunEvent] = []
    container = Container(settings=settings, observer=events.append)
    assert container.observer() == events.append


def test_containers_do_not_share_what_they_were_given(settings: Settings, tmp_path: Path) -> None:
    other = Settings(db_path=tmp_path / "other.sqlite3")
    first, second = Container(settings=settings), Container(settings=other)
    paths = [container.state_store() for container in (first, second)]
    assert [repr(store) for store in paths] == [repr(SQLiteStorage(path=s.db_path)) for s in (settings, other)]


def test_settings_must_be_settings() -> None:
    with pytest.raises(Exception, match="Settings"):
        Container(settings={"storage": "memory"}).runner()
