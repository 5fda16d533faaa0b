"""What one step of ingestion writes in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat

from batchor_core.domain.item import PromptParts
from batchor_core.domain.results import ItemFailure
from batchor_core.ports.state_records import ItemRow, RowColumns


def _no_rows() -> RowColumns[ItemRow]:
    return RowColumns(ItemRow)


@dataclass(slots=True)
class Slice:
    """Items on their way into one transaction. All their requests lie in one segment."""

    rows: RowColumns[ItemRow] = field(default_factory=_no_rows)
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
        first: int,
        item_ids: Sequence[str],
        metadata: Sequence[str | None],
        lines: Sequence[bytes | ItemFailure],
        *,
        segment_id: int | None,
        begin: int,
    ) -> None:
        """Add the items from index *first* on; their *lines* stand in the segment from byte *begin* on."""
        lengths = [0 if isinstance(line, ItemFailure) else len(line) for line in lines]
        segment_ids = [segment_id] * len(lines)
        *offsets, end = accumulate(lengths, initial=begin)
        for place, line in enumerate(lines if 0 in lengths else ()):
            if isinstance(line, ItemFailure):
                self.failures.append((first + place, line))
                segment_ids[place], offsets[place] = None, 0
        indexes = range(first, first + len(lines))
        self.rows.extend(indexes, item_ids, metadata, segment_ids, offsets, lengths, repeat(0, len(lines)))
        self.request_bytes += end - begin

    def count_tokens(self, counts: Sequence[int]) -> int:
        """Note the count of each row's prompt, but for those without a request; their sum."""
        lengths = self.rows.column("length")
        self.rows.column("tokens")[:] = [count if length else 0 for length, count in zip(lengths, counts, strict=True)]
        return sum(self.rows.column("tokens"))
