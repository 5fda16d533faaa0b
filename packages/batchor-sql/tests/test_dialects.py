import pytest
from sqlalchemy.dialects.mysql import dialect as mysql_dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from batchor_core.errors import ConfigurationError
from batchor_sql import schema
from batchor_sql.dialects import traits_of
from batchor_sql.statements import ROWS_AT_ONCE, copy_statement, row_statements


def test_sqlite_takes_question_marks() -> None:
    assert row_statements(SQLiteDialect_pysqlite()).drop_retries.count("?") == 1


def test_postgresql_takes_positional_formats() -> None:
    texts = row_statements(PGDialect_psycopg())  # type: ignore[no-untyped-call]
    assert texts.add_items.texts(range(len(schema.item.c))).one.count("%s") == len(schema.item.c)
    assert texts.add_results.texts([0, 1]).one.endswith(
        "VALUES (%s::BIGINT, %s::BIGINT) ON CONFLICT (item_key) DO NOTHING"
    )


def test_an_insert_of_many_rows_has_the_places_of_each_and_fits_the_oldest_sqlite() -> None:
    insert = row_statements(SQLiteDialect_pysqlite()).add_results
    one, many = insert.texts(range(len(schema.result.c)))
    assert many.count("?") == one.count("?") * ROWS_AT_ONCE < 999
    assert many.replace("?, ", "").count("(?)") == ROWS_AT_ONCE
    assert many.endswith("?) ON CONFLICT (item_key) DO NOTHING")


def test_an_insert_names_only_the_columns_that_are_chosen() -> None:
    insert = row_statements(SQLiteDialect_pysqlite()).add_items
    assert insert.texts([0, 1, 3]).one.startswith("INSERT INTO item (item_key, id_key, segment_id) VALUES (?, ?, ?) ON")


def test_a_copy_names_every_column_and_its_type() -> None:
    copy = copy_statement(schema.item)
    assert copy.text == (
        "COPY item (item_key, id_key, metadata, segment_id, request_offset, request_length, tokens, long_id) "
        "FROM STDIN (FORMAT BINARY)"
    )
    assert copy.types == ["int8", "text", "text", "int8", "int8", "int8", "int8", "text"]


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
