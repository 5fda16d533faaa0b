"""The columns of results: their Arrow schema, and batches of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from batchor_core.domain.results import TextItemResult
from batchor_parquet.output_types import JSON_TEXT, ColumnType, MisfitError, output_type

_BEFORE_OUTPUT = (
    pa.field("item_id", pa.string(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("attempt_count", pa.int64(), nullable=False),
    pa.field("output_text", pa.string()),
)
_BEHIND_OUTPUT = (
    pa.field("error_class", pa.string()),
    pa.field("error_message", pa.string()),
    pa.field("metadata", pa.string(), metadata=JSON_TEXT),
    pa.field("input_tokens", pa.int64(), nullable=False),
    pa.field("output_tokens", pa.int64(), nullable=False),
    pa.field("cached_input_tokens", pa.int64(), nullable=False),
    pa.field("reasoning_tokens", pa.int64(), nullable=False),
    pa.field("finish_reason", pa.string()),
    pa.field("sequence", pa.int64(), nullable=False),
)


@dataclass(frozen=True, slots=True)
class ResultColumns:
    """How results become batches. *output*: the type of structured answers, None where answers are text."""

    schema: pa.Schema
    output: ColumnType | None

    @classmethod
    def of(cls, answer_schema: Mapping[str, Any] | None) -> "ResultColumns":
        """*answer_schema*: the JSON Schema of the answers; None where they are text."""
        output = None if answer_schema is None else output_type(answer_schema)
        columns = [] if output is None else [output.field("output")]
        return cls(pa.schema([*_BEFORE_OUTPUT, *columns, *_BEHIND_OUTPUT]), output)

    def batch(self, results: Sequence[TextItemResult]) -> pa.RecordBatch:
        arrays = {
            "item_id": [result.item_id for result in results],
            "status": [result.status.value for result in results],
            "attempt_count": [result.attempt_count for result in results],
            "output_text": [result.output_text for result in results],
            "error_class": [result.error and result.error.error_class for result in results],
            "error_message": [result.error and result.error.message for result in results],
            "metadata": [json.dumps(result.metadata, ensure_ascii=False) for result in results],
            "input_tokens": [result.usage.input_tokens for result in results],
            "output_tokens": [result.usage.output_tokens for result in results],
            "cached_input_tokens": [result.usage.cached_input_tokens for result in results],
            "reasoning_tokens": [result.usage.reasoning_tokens for result in results],
            "finish_reason": [result.finish_reason for result in results],
            "sequence": [result.sequence for result in results],
        }
        columns = {name: pa.array(values, self.schema.field(name).type) for name, values in arrays.items()}
        if self.output is not None:
            columns["output"] = _outputs(results, self.output)
        return pa.RecordBatch.from_arrays([columns[name] for name in self.schema.names], schema=self.schema)


def _outputs(results: Sequence[TextItemResult], output: ColumnType) -> pa.Array:
    """The answers as values of the column; null for what it can't hold, for `output_text` has it."""
    values = [_output(result, output) for result in results]
    try:
        return pa.array(values, output.arrow)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        # Such as half of a surrogate pair, which JSON can escape and no column can hold.
        fitting = [value if _fits(value, output) else None for value in values]
        return pa.array(fitting, output.arrow)


def _output(result: TextItemResult, output: ColumnType) -> object:
    if result.error is not None or result.output_text is None:
        return None
    try:
        return output.shape(json.loads(result.output_text))
    except (MisfitError, ValueError, RecursionError):
        return None


def _fits(value: object, output: ColumnType) -> bool:
    try:
        pa.array([value], output.arrow)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return False
    return True
