"""What one step of ingestion writes in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, repeat
from operator import add

from batchor_core.domain.item import PromptParts
from batchor_core.domain.results import ItemFailure
from batchor_core.ports.state_records import ItemRow

# As `ItemRow._make`, without its check of the number of columns, for all rows are made by it.
_row = partial(tuple.__new__, ItemRow)


@dataclass(slots=True)
class Slice:
    """Items on their way into one transaction. All their requests lie in one segment."""

    rows: list[ItemRow] = field(default_factory=list)
    prompts: list[PromptParts] = field(default_factory=list)
    """Of the rows, in their order; kept only where tokens are counted."""
    failures: list[tuple[int, ItemFailure]] = field(default_factory=list)
    request_bytes: int = 0
    segment_full: bool = False
    exhausted: bool = False
    """The source has no more rows."""

    @property
    def seals_segment(self) -> bool:
        return self.segment_full or self.exhausted

    def extend(
        self,
        heads: Iterable[tuple[int, str, str | None]],
        lines: Sequence[bytes | ItemFailure],
        *,
        segment_id: int | None,
        begin: int,
    ) -> None:
        """Add the items that begin with *heads* (index, id, metadata); their *lines* stand in the segment from *begin* on."""
        lengths = [0 if isinstance(line, ItemFailure) else len(line) for line in lines]
        # By columns: in a loop over the rows, each would cost four times as much.
        places = zip(repeat(segment_id), accumulate(lengths, initial=begin), lengths, repeat(0))
        rows = map(_row, map(add, heads, places))
        if 0 in lengths:
            rows = map(self._without_request, rows, lines)
        self.rows += rows
        self.request_bytes += sum(lengths)

    def _without_request(self, row: ItemRow, line: bytes | ItemFailure) -> ItemRow:
        if not isinstance(line, ItemFailure):
            return row
        self.failures.append((row.item_index, line))
        return row._replace(segment_id=None, offset=0)

    def rows_with(self, tokens: Sequence[int]) -> list[ItemRow]:
        """The rows, each with its count of tokens; *tokens* is empty where none are counted."""
        if not tokens:
            return self.rows
        return [row._replace(tokens=count) for row, count in zip(self.rows, tokens, strict=True)]
