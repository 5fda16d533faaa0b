import pytest
from sqlalchemy.dialects.mysql import dialect as mysql_dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from batchor_core.errors import ConfigurationError
from batchor_sql import schema
from batchor_sql.dialects import traits_of
from batchor_sql.statements import compile_statements


def test_sqlite_takes_question_marks() -> None:
    assert compile_statements(SQLiteDialect_pysqlite()).drop_retries.count("?") == 2


def test_postgresql_takes_positional_formats() -> None:
    texts = compile_statements(PGDialect_psycopg())  # type: ignore[no-untyped-call]
    assert texts.add_items.count("%s") == len(schema.item.c)
    assert texts.add_results.endswith("ON CONFLICT (run_key, item_index) DO NOTHING")


def test_every_table_compiles_for_postgresql() -> None:
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    for table in schema.metadata.sorted_tables:
        assert f"CREATE TABLE {table.name}" in str(CreateTable(table).compile(dialect=dialect))


def test_partial_indexes_are_partial_in_postgresql_too() -> None:
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    (due,) = (index for index in schema.batch.indexes if index.name == "batch_due")
    text = str(CreateIndex(due).compile(dialect=dialect))
    assert text.endswith("WHERE (state NOT IN ('abandoned', 'collected'))")


def test_another_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not in 'mysql'"):
        traits_of(mysql_dialect())
