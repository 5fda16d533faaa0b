"""Results as Arrow and Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from batchor_core.application.handle import Run
from batchor_core.domain.results import TextItemResult
from batchor_core.errors import ConfigurationError
from batchor_parquet.replaced_file import replaced_file
from batchor_parquet.result_columns import ResultColumns

type Order = Literal["input", "completion"]

_BATCH_ROWS = 10_000
_BATCH_CHARACTERS = 32 << 20


def results_schema(run: Run[Any]) -> pa.Schema:
    """The columns of a run's results.

    `item_id, status, attempt_count, output_text, output, error_class, error_message, metadata, input_tokens, output_tokens,
    cached_input_tokens, reasoning_tokens, finish_reason, sequence`; `output` only for a structured run, typed by its
    schema (`batchor_parquet.output_types`). Columns and members of JSON text, as `metadata`, say so in their field's metadata:
    `batchor.content: json`.

    `output_text` is what the model wrote, whatever it is. So no answer is ever lost: one that its type can't hold, such as an
    integer beyond 64 bits, and that of a failed item, has an `output` of null.
    """
    return ResultColumns.of(run.output_schema).schema


def iter_arrow(run: Run[Any], *, order: Order = "input", batch_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The results so far as record batches, in input order or in the order of their ends.

    They have up to *batch_rows* rows, fewer where answers are long: memory is bounded, whatever the run.
    """
    if batch_rows < 1:
        raise ConfigurationError(f"batch_rows is {batch_rows}; give at least 1")
    columns = ResultColumns.of(run.output_schema)
    return (columns.batch(chunk) for chunk in _chunks(run.iter_results(typed=False, order=order), batch_rows))


def to_arrow(run: Run[Any], *, order: Order = "input") -> pa.Table:
    """The results so far as one table, in memory."""
    return pa.Table.from_batches(iter_arrow(run, order=order), schema=results_schema(run))


def write_parquet(run: Run[Any], path: Path | str, *, order: Order = "input") -> int:
    """Write the results so far to *path*, whole or not at all, in bounded memory; how many. For its owner alone (0600)."""
    count = 0
    with (
        replaced_file(Path(path)) as file,
        pq.ParquetWriter(file, results_schema(run), compression="zstd") as writer,
    ):
        for batch in iter_arrow(run, order=order):
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _chunks(results: Iterator[TextItemResult], rows: int) -> Iterator[list[TextItemResult]]:
    chunk: list[TextItemResult] = []
    characters = 0
    for result in results:
        chunk.append(result)
        characters += len(result.output_text or "")
        if len(chunk) >= rows or characters >= _BATCH_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
