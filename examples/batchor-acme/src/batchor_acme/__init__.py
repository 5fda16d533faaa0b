"""A storage for batchor that others wrote: SQLite, and each run's events as lines of a log for your log shipper."""

from batchor_acme.storage import AcmeStorage

__all__ = ["AcmeStorage"]
