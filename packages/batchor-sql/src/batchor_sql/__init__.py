"""The state of batchor in SQL: one SQLAlchemy Core implementation for several databases."""
