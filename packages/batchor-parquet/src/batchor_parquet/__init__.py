"""Parquet files as the input of batchor, and results as Parquet."""

from batchor_parquet.results import iter_arrow, results_schema, to_arrow, write_parquet
from batchor_parquet.source import ParquetItemSource

__all__ = ["ParquetItemSource", "iter_arrow", "results_schema", "to_arrow", "write_parquet"]
