from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text, update

from batchor_core.errors import StorageVersionError
from batchor_sql import migrations, schema
from batchor_sql.migrations import migrate, stored_version

_SNAPSHOT = Path(__file__).parent / "schema_version_1.sql"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}", connect_args={"isolation_level": None})
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    yield engine
    engine.dispose()


def _version(engine: Engine) -> int:
    with engine.connect() as connection:
        return stored_version(connection)


def _schema_text(engine: Engine) -> str:
    """Every statement that makes the schema, one token after the other."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")
        return "".join(" ".join(statement.split()) + ";\n" for (statement,) in rows)


def _adding(column: str) -> Callable[[Connection], None]:
    def change(connection: Connection) -> None:
        connection.execute(text(f"ALTER TABLE event ADD COLUMN {column} TEXT"))

    return change


def _failing(connection: Connection) -> None:
    _adding("half")(connection)
    raise ZeroDivisionError


def _columns(engine: Engine) -> list[str]:
    return [column["name"] for column in inspect(engine).get_columns("event")]


def test_an_empty_database_comes_to_the_newest_version(engine: Engine) -> None:
    assert _version(engine) == 0
    migrate(engine, place="here")
    assert _version(engine) == migrations.newest()


def test_a_database_at_the_newest_version_is_not_written(engine: Engine) -> None:
    migrate(engine, place="here")
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    migrate(engine, place="here")
    assert [statement for statement in sent if not statement.startswith(("BEGIN", "PRAGMA", "SELECT"))] == []


def test_an_older_database_is_led_through_every_version(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(engine, place="here")
    monkeypatch.setattr(migrations, "CHANGES", {2: _adding("second"), 3: _adding("third")})
    migrate(engine, place="here")
    assert _version(engine) == 3
    assert _columns(engine)[-2:] == ["second", "third"]


def test_a_migration_that_fails_leaves_the_version_before(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(engine, place="here")
    monkeypatch.setattr(migrations, "CHANGES", {2: _adding("second"), 3: _failing})
    with pytest.raises(ZeroDivisionError):
        migrate(engine, place="here")
    assert _version(engine) == 1
    assert "second" not in _columns(engine)


def test_a_newer_database_is_refused(engine: Engine) -> None:
    migrate(engine, place="here")
    with engine.begin() as connection:
        connection.execute(update(schema.schema_version).values(version=99))
    with pytest.raises(StorageVersionError, match=r"here has schema version 99.*upgrade batchor"):
        migrate(engine, place="here")


def test_there_is_one_version_row(engine: Engine) -> None:
    migrate(engine, place="here")
    with engine.connect() as connection:
        assert connection.execute(select(schema.schema_version.c.version)).all() == [(migrations.newest(),)]


def test_the_schema_is_that_of_its_version(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changes a table, or the statuses in the view, has to add a migration: databases of users have the old one.

    A database as version 1 left it, and migrated, has to be what a new one is.
    """
    migrate(engine, place="here")
    fresh = _schema_text(engine)
    with engine.begin() as connection:
        _drop_all(connection)
        for statement in _SNAPSHOT.read_text("utf-8").splitlines():
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (1)")
    migrate(engine, place="here")
    assert _schema_text(engine) == fresh


def _drop_all(connection: Connection) -> None:
    rows = connection.exec_driver_sql("SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'table')").all()
    for kind, name in sorted(rows, reverse=True):
        connection.exec_driver_sql(f"DROP {kind} {name}")
