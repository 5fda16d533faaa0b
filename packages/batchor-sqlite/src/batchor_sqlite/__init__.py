"""The state of batchor in one SQLite file."""
