"""What differs between the databases, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Dialect, Table

from batchor_core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class DialectTraits:
    """The few things that the SQL dialects do not share."""

    insert: Callable[[Table], Any]
    """The dialect's own INSERT, which knows ON CONFLICT."""
    positional: Dialect
    """Compiles to texts for which the driver takes tuples."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Execution options of a connection that only reads."""
    migration_lock: str | None = None
    """A statement that keeps other migrations out until the transaction ends; None: BEGIN does."""
    copies: bool = False
    """Rows are best written by COPY, and changed by arrays."""
    clock: str | None = None
    """A query for the server's time in microseconds since the epoch; None: the local clock is the judge."""


def traits_of(dialect: Dialect) -> DialectTraits:
    """The traits of a supported dialect."""
    match dialect.name:
        case "sqlite":
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert
            from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

            return DialectTraits(
                insert=sqlite_insert,
                positional=SQLiteDialect_pysqlite(paramstyle="qmark"),
                reading={"batchor_reading": True},
            )
        case "postgresql":
            from sqlalchemy.dialects.postgresql import insert as postgresql_insert
            from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

            return DialectTraits(
                insert=postgresql_insert,
                positional=PGDialect_psycopg(paramstyle="format"),  # type: ignore[no-untyped-call]
                # Not READ ONLY: SQLAlchemy would then begin every later transaction with READ WRITE, which overrules
                # what the server wants and which no standby takes. What is written here is undone instead.
                reading={"isolation_level": "REPEATABLE READ"},
                copies=True,
                migration_lock="SELECT pg_advisory_xact_lock(7092181936213157219)",
                clock="SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
            )
        case other:
            raise ConfigurationError(f"batchor keeps its state in SQLite or PostgreSQL, not in {other!r}")
