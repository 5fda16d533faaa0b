"""From the files that a user names to one source of items."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from batchor import CheckpointedItemSource, CompositeItemSource, CsvItemSource, JsonlItemSource
from batchor_cli.job_options import SourceOptions
from batchor_core.errors import ConfigurationError, SourceError

type Row = dict[str, Any]

_COMPRESSED = (".gz", ".zst")


class RowKind(Enum):
    """What a file of rows is; the value is its endings."""

    JSONL = (".jsonl", ".ndjson")
    CSV = (".csv",)
    PARQUET = (".parquet",)


def row_kind(path: Path) -> RowKind:
    """Told by the ending, or by being a folder; `ConfigurationError` for any other."""
    if path.is_dir():
        return RowKind.PARQUET
    plain = Path(path.stem) if path.suffix.lower() in _COMPRESSED else path
    kind = next((kind for kind in RowKind if plain.suffix.lower() in kind.value), None)
    if kind is None or (kind is RowKind.PARQUET and plain is not path):
        raise ConfigurationError(
            f"--input {path}: its ending tells no kind of rows; give .jsonl or .csv, also with .gz or .zst, "
            ".parquet, or a folder of Parquet files"
        )
    return kind


def item_source(options: SourceOptions, *, prompt_fields: Iterable[str]) -> CheckpointedItemSource[Row]:
    """The rows of all inputs in the order given: of one as they are, of several with their places before their ids.

    *prompt_fields* are those that the prompt needs, for files that need not be read whole.
    """
    reading = _Reading(options, columns=[options.id_field, *prompt_fields, *(options.carry or [])])
    sources = [reading.source(path) for path in options.input]
    return sources[0] if len(sources) == 1 else CompositeItemSource(sources)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How rows are read."""

    options: SourceOptions
    columns: list[str]

    def source(self, path: Path) -> CheckpointedItemSource[Row]:
        match row_kind(path):
            case RowKind.JSONL:
                return JsonlItemSource(path, **self._functions(), **self._limit())
            case RowKind.CSV:
                delimiter = self.options.csv_delimiter.replace("\\t", "\t")
                return CsvItemSource(path, delimiter=delimiter, **self._functions(), **self._limit())
            case RowKind.PARQUET:
                from batchor import ParquetItemSource  # loads Arrow

                return ParquetItemSource(path, columns=list(dict.fromkeys(self.columns)), **self._functions())

    def _limit(self) -> dict[str, Any]:
        limit = self.options.max_line_bytes
        return {} if limit is None else {"max_row_bytes": limit}

    def _functions(self) -> dict[str, Any]:
        field, carried = self.options.id_field, self.options.carry
        functions: dict[str, Callable[[Row], Any]] = {
            "item_id_from_row": lambda row: _item_id(row, field),
            "payload_from_row": lambda row: row,
        }
        if carried:
            functions["metadata_from_row"] = lambda row: {name: _value(row, name) for name in carried}
        return functions


def _item_id(row: Mapping[str, Any], field: str) -> str:
    value = _value(row, field)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise SourceError(f"the id field {field!r} holds {value!r}, not text or a whole number")


def _value(row: Mapping[str, Any], field: str) -> Any:
    # The source names the row's fields, beside file and line.
    if field not in row:
        raise SourceError(f"the row has no field {field!r}")
    return row[field]
