"""Items from a CSV file with a header."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from batchor_core.adapters.csv_rows import CsvReader, CsvRow
from batchor_core.adapters.row_file import RowFileSource
from batchor_core.adapters.row_item import DEFAULT_MAX_ROW_BYTES, RowFunctions, checked_limit
from batchor_core.adapters.source_file import path_text
from batchor_core.errors import ConfigurationError
from batchor_core.json_types import JsonObject


class CsvItemSource[PayloadT](RowFileSource[CsvRow, PayloadT]):
    r"""Rows of a CSV file in UTF-8, as dicts of text by the header; compressed when its name ends in `.gz` or `.zst`.

    The first row that is not blank is the header. Lines end with `\n` or `\r\n`; a cell in double quotes may hold line
    ends, delimiters and doubled quotes. Empty lines, a byte order mark at the beginning and a missing end of the
    last line are all right; a file that is empty or has only a header has no items.

    A row with more or fewer cells than the header, an unnamed or doubled column, a quote that is never closed, NUL, text
    that is no UTF-8, more than `max_row_bytes` (4 MiB) in a row, and a function that raises, is a `SourceRowError`; an id
    that is no text of 1 to 10,000 bytes is an `InvalidItemError`. Both name the file and the line on which the row
    begins, and nothing is passed over. `csv.field_size_limit` is neither obeyed nor touched.

    Each item's metadata tells its row under `batchor_lineage` (`batchor_core.domain.lineage`), beside what
    `metadata_from_row` returns.

    A checkpoint is a byte offset: reading on reads the header and goes there, at the same cost anywhere; in a
    compressed file what lies before is decompressed again, not parsed. The identity is the absolute path with the
    fingerprint of `batchor_core.adapters.source_file`: size and hashed parts, not the time of the last change.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        item_id_from_row: Callable[[CsvRow], str],
        payload_from_row: Callable[[CsvRow], PayloadT],
        metadata_from_row: Callable[[CsvRow], JsonObject] | None = None,
        delimiter: str = ",",
        max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
    ) -> None:
        if len(delimiter) != 1 or delimiter in '"\r\n\0 ':
            raise ConfigurationError(f"{delimiter!r} cannot delimit cells; give one character, such as ';' or '\\t'")
        super().__init__(
            Path(path),
            kind="csv",
            open_rows=partial(CsvReader, delimiter=delimiter, max_row_bytes=checked_limit(max_row_bytes)),
            functions=RowFunctions(path_text(path), item_id_from_row, payload_from_row, metadata_from_row),
        )
