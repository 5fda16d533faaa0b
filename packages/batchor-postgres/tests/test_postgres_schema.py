"""The schema of the database: made, shared, migrated."""

import os
import subprocess
import sys

import psycopg
import pytest

from batchor_core.errors import ConfigurationError, StorageVersionError
from batchor_postgres import PostgresStorage
from batchor_testkit.postgres_server import PostgresServer
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import start_run

_PROCESSES = 4
_START = (
    "import sys; from batchor_postgres import PostgresStorage; from batchor_testkit.state_steps import start_run; "
    "start_run(PostgresStorage(schema=sys.argv[1]), items=3, run_id=sys.argv[2])"
)


def _run_ids(storage: PostgresStorage) -> set[str]:
    with storage.reading() as unit:
        return {run.run_id for run in unit.runs.page(before=None, limit=10)}


def test_several_processes_may_make_one_schema_at_once(url: str, new_schema: str) -> None:
    run_ids = {f"run-{number}" for number in range(_PROCESSES)}
    environment = os.environ | {"BATCHOR_STORAGE_URL": url}
    starters = [
        subprocess.Popen([sys.executable, "-c", _START, new_schema, run_id], env=environment) for run_id in run_ids
    ]
    assert [starter.wait() for starter in starters] == [0] * _PROCESSES
    storage = PostgresStorage(url, schema=new_schema)
    assert _run_ids(storage) == run_ids
    storage.close()


def test_two_schemas_of_one_database_know_nothing_of_each_other(url: str, schema: str, new_schema: str) -> None:
    mine, yours = PostgresStorage(url, schema=schema), PostgresStorage(url, schema=new_schema)
    start_run(mine, items=1)
    assert (_run_ids(mine), _run_ids(yours)) == ({RUN_ID}, set())
    mine.close()
    yours.close()


def test_nothing_is_made_outside_of_the_schema(url: str, new_schema: str) -> None:
    storage = PostgresStorage(url, schema=new_schema)
    start_run(storage, items=1)
    storage.close()
    with psycopg.connect(url) as connection:
        outside = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert outside.fetchone() == (0,)


def test_a_schema_that_is_a_word_of_sql_will_do(url: str) -> None:
    storage = PostgresStorage(url, schema="select")
    start_run(storage, items=1)
    assert _run_ids(storage) == {RUN_ID}
    storage.close()
    with psycopg.connect(url) as connection:
        connection.execute('DROP SCHEMA "select" CASCADE')


def test_a_schema_of_a_newer_batchor_is_refused(url: str, new_schema: str) -> None:
    storage = PostgresStorage(url, schema=new_schema)
    start_run(storage, items=1)
    storage.close()
    with psycopg.connect(url, options=f"-c search_path={new_schema}") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StorageVersionError, match=f"schema '{new_schema}' has schema version 99"):
        storage.transaction()


def test_a_user_who_may_not_make_schemas_uses_one_that_is_made_for_it(
    own_server: PostgresServer, new_schema: str
) -> None:
    with psycopg.connect(own_server.url()) as connection:
        connection.execute("DROP ROLE IF EXISTS clerk")
        connection.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
        connection.execute(f"CREATE SCHEMA {new_schema} AUTHORIZATION clerk".encode())
    storage = PostgresStorage(f"postgresql://clerk:clerk@127.0.0.1:{own_server.port}/batchor", schema=new_schema)
    start_run(storage, items=1)
    assert _run_ids(storage) == {RUN_ID}
    storage.close()


def test_a_database_that_cannot_hold_every_text_is_refused(own_server: PostgresServer) -> None:
    with psycopg.connect(own_server.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    with pytest.raises(ConfigurationError, match=r"the database is in LATIN1; create one with ENCODING 'UTF8'"):
        PostgresStorage(own_server.url("latin")).transaction()


def test_texts_are_ordered_by_bytes_whatever_the_database_says(url: str, schema: str) -> None:
    """Then no index breaks when the server's libraries change their order of texts."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT c.relname, collname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "CROSS JOIN unnest(i.indcollation) AS used JOIN pg_collation ON pg_collation.oid = used "
            "WHERE c.relnamespace = %s::regnamespace",
            (schema,),
        ).fetchall()
    assert {name for name, _ in rows} >= {"run_by_age", "item_by_id", "result_failed", "capacity_pkey"}
    assert {order for _, order in rows} == {"C"}
