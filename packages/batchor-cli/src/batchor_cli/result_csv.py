"""Results as CSV: one row for each, with a header."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from batchor import TextItemResult, TokenUsage
from batchor_cli.result_shape import ResultShape

_FIRST = ("item_id", "status", "attempt_count")
_TEXT = ("output_text",)
_LAST = ("error_class", "error_message", *(field.name for field in fields(TokenUsage)))
_SEQUENCE = ("sequence",)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(
    results: Iterable[TextItemResult], *, shape: ResultShape, guard: bool, sequenced: bool = False
) -> Iterator[bytes]:
    """The header, then a row for each result; with *sequenced*, its `sequence` comes last.

    With *guard*, text that a spreadsheet could take for a formula gets a leading quote (`'`); numbers stay numbers.
    """
    rows = _Rows(guard=guard)
    yield rows.line(_column_names(shape, sequenced=sequenced))
    for result in results:
        yield rows.line([*_cells(result, shape), *([result.sequence] if sequenced else [])])


def _column_names(shape: ResultShape, *, sequenced: bool) -> list[str]:
    """Names of their own for all columns: a field whose name is taken is written `output.NAME` or `metadata.NAME`."""
    names = [*_FIRST, *(_TEXT if shape.output_fields is None else ())]
    taken = {*names, *_LAST, *_SEQUENCE}
    outputs = _free_names(shape.output_fields or (), taken, prefix="output")
    carried = _free_names(shape.carried, taken, prefix="metadata")
    return [*names, *outputs, *_LAST, *carried, *(_SEQUENCE if sequenced else ())]


def _free_names(fields: Iterable[str], taken: set[str], *, prefix: str) -> list[str]:
    names: list[str] = []
    for field in fields:
        name = field
        while name in taken:
            name = f"{prefix}.{name}"
        taken.add(name)
        names.append(name)
    return names


def _cells(result: TextItemResult, shape: ResultShape) -> list[Any]:
    error, metadata = result.error, result.metadata
    return [
        result.item_id,
        result.status.value,
        result.attempt_count,
        *_answer(result, shape),
        None if error is None else error.error_class,
        None if error is None else error.message,
        *asdict(result.usage).values(),
        *(metadata.get(name) for name in shape.carried),
    ]


def _answer(result: TextItemResult, shape: ResultShape) -> list[Any]:
    if shape.output_fields is None:
        return [result.output_text]
    output = _parsed(result.output_text) if result.error is None else {}
    return [output.get(name) for name in shape.output_fields]


def _parsed(text: str | None) -> dict[str, Any]:
    """The answer's fields; none of an answer that was accepted though it was refused, cut off or empty."""
    try:
        answer: object = json.loads(text or "")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


class _Rows:
    """From cells to lines, with one writer for all."""

    def __init__(self, *, guard: bool) -> None:
        self._guard = guard
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer)

    def line(self, cells: Iterable[Any]) -> bytes:
        self._writer.writerow([self._cell(cell) for cell in cells])
        line = self._buffer.getvalue().encode()
        self._buffer.seek(0)
        self._buffer.truncate()
        return line

    def _cell(self, value: Any) -> str:
        match value:
            case None:
                return ""
            case str():
                return f"'{value}" if self._guard and value.startswith(_FORMULA) else value
            case _:
                return json.dumps(value, ensure_ascii=False)
