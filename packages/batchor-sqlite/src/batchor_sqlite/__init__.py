"""The state of batchor in one SQLite file."""

from batchor_sqlite.storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
