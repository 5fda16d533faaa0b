"""The state of batchor in SQL: one SQLAlchemy Core implementation for several databases."""

from batchor_sql.store import SqlStateStore

__all__ = ["SqlStateStore"]
