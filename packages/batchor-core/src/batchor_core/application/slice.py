"""What one step of ingestion writes in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from batchor_core.domain.item import PromptParts
from batchor_core.domain.results import ItemFailure
from batchor_core.ports.state_records import ItemRow


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

    def rows_with(self, tokens: Sequence[int]) -> list[ItemRow]:
        """The rows, each with its count of tokens; *tokens* is empty where none are counted."""
        if not tokens:
            return self.rows
        return [row._replace(tokens=count) for row, count in zip(self.rows, tokens, strict=True)]
