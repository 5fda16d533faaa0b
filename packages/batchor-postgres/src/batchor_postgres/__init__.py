"""The state store in PostgreSQL, for any number of workers on any number of hosts."""

from batchor_postgres.storage import PostgresStorage

__all__ = ["PostgresStorage"]
