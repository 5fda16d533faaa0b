"""From a row of a file to an item, by the functions that the user gave."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from batchor_core.domain.item import BatchItem
from batchor_core.domain.item_checks import are_usual_ids, item_id_fault
from batchor_core.domain.lineage import LINEAGE_KEY, Lineage, metadata_fault
from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError, SourceRowError
from batchor_core.json_types import JsonObject
from batchor_core.ports.sources import ItemStretch

DEFAULT_MAX_ROW_BYTES = 4 << 20
_NO_METADATA: JsonObject = {}
_SHOWN_NAMES = 10
_SHOWN_CHARACTERS = 200


type PlacedRow[RowT] = tuple[RowT, int, int, int]
"""A row, the line on which it begins, and the offset and the number of lines behind it; a plain tuple, for its price."""


@dataclass(frozen=True, slots=True)
class RowFunctions[RowT: Mapping[str, Any], PayloadT]:
    """What a user says about the rows of a file."""

    reference: str
    """The file, as it was given."""
    item_id_from_row: Callable[[RowT], str]
    payload_from_row: Callable[[RowT], PayloadT]
    metadata_from_row: Callable[[RowT], JsonObject] | None

    def items(self, rows: Sequence[PlacedRow[RowT]], first: int) -> ItemStretch[PayloadT]:
        """The items of *rows*, the first of which is the source's number *first*, up to one that `item` refuses."""
        if rows:
            with suppress(Exception):  # `item` tells what it is, and where
                item_ids = [self.item_id_from_row(row) for row, _, _, _ in rows]
                payloads = [self.payload_from_row(row) for row, _, _, _ in rows]
                own = self._own_metadata(rows)
                if are_usual_ids(item_ids) and not any(map(metadata_fault, own or ())):
                    lineage = Lineage(self.reference, first, item_ids[0])
                    return ItemStretch(BatchItem.of_rows(item_ids, payloads, lineage, own), lineage, own)
        items: list[BatchItem[PayloadT]] = []
        try:
            for index, (row, line, _, _) in enumerate(rows, first):
                items.append(self.item(row, line, index))
        except SourceError:
            if not items:
                raise
        return ItemStretch(items)

    def _own_metadata(self, rows: Sequence[PlacedRow[RowT]]) -> list[JsonObject] | None:
        if (metadata_from_row := self.metadata_from_row) is None:
            return None
        # Copies, for a function may return the same dict for each row.
        return [{**metadata_from_row(row)} for row, _, _, _ in rows]

    def item(self, row: RowT, line: int, index: int) -> BatchItem[PayloadT]:
        """The item of the row that begins on *line*, the source's item number *index* from 0, with its lineage.

        `SourceRowError` when a function raises, `InvalidItemError` for what it returns; both name file and line.
        """
        try:
            item_id = self.item_id_from_row(row)
            payload = self.payload_from_row(row)
            metadata = _NO_METADATA if self.metadata_from_row is None else self.metadata_from_row(row)
        except Exception as error:
            raise SourceRowError(self.reference, line, _function_problem(error, row)) from error
        fault = item_id_fault(item_id)
        if fault is None and metadata is not _NO_METADATA:
            fault = metadata_fault(metadata)
        if fault is not None:
            raise InvalidItemError(f"{self.reference}, line {line}: {fault}")
        # As `with_lineage` does it for a `Lineage`, at a third of the cost.
        lineage: JsonObject = {
            "source_ref": self.reference,
            "source_item_index": index,
            "source_primary_key": item_id,
            "source_namespace": None,
            "partition_id": None,
        }
        told: JsonObject = {LINEAGE_KEY: lineage} if metadata is _NO_METADATA else {**metadata, LINEAGE_KEY: lineage}
        return BatchItem(item_id, payload, told)


def checked_limit(max_row_bytes: int) -> int:
    """A limit under which rows can be read, or `ConfigurationError`."""
    if max_row_bytes < 1:
        raise ConfigurationError(f"max_row_bytes is {max_row_bytes}; give the most bytes that a row may have")
    return max_row_bytes


def names_in_short(names: list[str]) -> str:
    """The first few names, quoted."""
    return clipped(", ".join(repr(name[:_SHOWN_CHARACTERS]) for name in names[:_SHOWN_NAMES])) or "none"


def clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _function_problem(error: Exception, row: Mapping[str, Any]) -> str:
    raised = clipped(f"{type(error).__name__}: {error}")
    names = names_in_short(list(row))
    return f"a function of the source raised {raised}; keys of the row: {names}; correct the row or the function"
