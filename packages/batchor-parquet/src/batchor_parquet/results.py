"""Results as Arrow and Parquet."""

import json
import os
import tempfile
from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from batchor_core.application.handle import Run
from batchor_core.domain.results import TextItemResult
from batchor_core.errors import ArtifactError
from batchor_parquet.answer_types import answer_type, fitted

type Order = Literal["input", "completion"]

_BATCH_ROWS = 10_000
_USAGE = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens")


def results_schema(run: Run[Any]) -> pa.Schema:
    """The columns of a run's results.

    `item_id, status, attempt_count, output_text, output, error_class, error_message, metadata, input_tokens, output_tokens,
    cached_input_tokens, reasoning_tokens, finish_reason, sequence`; `output` only for a structured run, typed by its
    schema, and `metadata` as JSON text. `output_text` is what the model wrote, also where it is no answer.
    """
    schema = run.output_schema
    return pa.schema(
        [
            ("item_id", pa.string()),
            ("status", pa.string()),
            ("attempt_count", pa.int64()),
            ("output_text", pa.string()),
            *([] if schema is None else [("output", answer_type(schema))]),
            ("error_class", pa.string()),
            ("error_message", pa.string()),
            ("metadata", pa.string()),
            *((name, pa.int64()) for name in _USAGE),
            ("finish_reason", pa.string()),
            ("sequence", pa.int64()),
        ]
    )


def iter_arrow(run: Run[Any], *, order: Order = "input", batch_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The results so far as record batches of up to *batch_rows* rows, in input order or in the order of their ends."""
    schema = results_schema(run)
    for results in batched(run.iter_results(typed=False, order=order), batch_rows):
        yield pa.RecordBatch.from_pylist([_row(result, schema) for result in results], schema=schema)


def to_arrow(run: Run[Any], *, order: Order = "input") -> pa.Table:
    """The results so far as one table, in memory."""
    return pa.Table.from_batches(iter_arrow(run, order=order), schema=results_schema(run))


def write_parquet(run: Run[Any], path: Path | str, *, order: Order = "input") -> int:
    """Write the results so far to *path*, whole or not at all, in bounded memory; how many. For its owner alone (0600)."""
    target = Path(path)
    try:
        return _write(run, target, order)
    except OSError as error:
        raise ArtifactError(f"{target} cannot be written ({error.strerror or error}); give another path") from error


def _write(run: Run[Any], target: Path, order: Order) -> int:
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", suffix=".tmp", delete=False, delete_on_close=False
    ) as file:
        try:
            count = 0
            with pq.ParquetWriter(file, results_schema(run), compression="zstd") as writer:
                for batch in iter_arrow(run, order=order):
                    writer.write_batch(batch)
                    count += batch.num_rows
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return count


def _row(result: TextItemResult, schema: pa.Schema) -> dict[str, Any]:
    row: dict[str, Any] = {
        "item_id": result.item_id,
        "status": result.status.value,
        "attempt_count": result.attempt_count,
        "output_text": result.output_text,
        "error_class": None if result.error is None else result.error.error_class,
        "error_message": None if result.error is None else result.error.message,
        "metadata": json.dumps(result.metadata, ensure_ascii=False),
        **{name: getattr(result.usage, name) for name in _USAGE},
        "finish_reason": result.finish_reason,
        "sequence": result.sequence,
    }
    if "output" in schema.names and result.error is None and result.output_text:
        row["output"] = fitted(json.loads(result.output_text), schema.field("output").type)
    return row
