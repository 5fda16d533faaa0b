"""A server of each version that is found, and storages in one of its schemas."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from batchor_postgres import PostgresStorage
from batchor_testkit.postgres_server import Installation, PostgresServer, existing_url, installations, no_postgres

type MakeStorage = Callable[..., PostgresStorage]

_SERVERS: list[Installation | str | None] = [existing_url()] if existing_url() else [*installations()] or [None]
_TABLES = ("result", "retry", "item", "event", "batch", "artifact", "capacity", "run")
"""In an order that foreign keys allow."""


def _name(server: Installation | str | None) -> str:
    return str(server) if isinstance(server, Installation) else "no-postgres" if server is None else "existing-server"


@pytest.fixture(scope="session", params=_SERVERS, ids=_name)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer | str]:
    """A server for the session, or the URL of one that runs already."""
    if request.param is None:
        no_postgres()
    if isinstance(request.param, str):
        yield request.param
        return
    with PostgresServer(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def url(server: PostgresServer | str) -> str:
    return server if isinstance(server, str) else server.url()


@pytest.fixture
def own_server(server: PostgresServer | str) -> PostgresServer:
    """A server that the test may restart."""
    if isinstance(server, str):
        pytest.skip("the server of BATCHOR_TEST_POSTGRES_URL is not ours to restart")
    return server


@pytest.fixture
def new_schema(url: str) -> Iterator[str]:
    """A name that no schema has yet."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())


@pytest.fixture(scope="session")
def shared_schema(url: str) -> Iterator[str]:
    """A schema with all tables, made once: that takes longer than most tests."""
    name = f"shared_{uuid.uuid4().hex}"
    storage = PostgresStorage(url, schema=name)
    with storage.reading():
        pass
    storage.close()
    yield name
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture(scope="session")
def empty(url: str, shared_schema: str) -> Callable[[], str]:
    """Empties the shared schema, and gives its name."""

    def delete_all() -> str:
        with psycopg.connect(url, options=f"-c search_path={shared_schema}") as connection:
            for table in _TABLES:
                connection.execute(b"DELETE FROM " + table.encode())
        return shared_schema

    return delete_all


@pytest.fixture
def schema(empty: Callable[[], str]) -> str:
    """The shared schema, without rows."""
    return empty()


@pytest.fixture
def make_storage(url: str, schema: str, tmp_path: Path) -> Iterator[MakeStorage]:
    """Storages in the schema of this test, like those of several workers; all are closed at its end."""
    made: list[PostgresStorage] = []

    def make(at: str = url, *, timeout_s: float = 20.0) -> PostgresStorage:
        made.append(PostgresStorage(at, schema=schema, artifact_root=tmp_path / "artifacts", timeout_s=timeout_s))
        return made[-1]

    yield make
    for storage in made:
        storage.close()


@pytest.fixture
def storage(make_storage: MakeStorage) -> PostgresStorage:
    return make_storage()
