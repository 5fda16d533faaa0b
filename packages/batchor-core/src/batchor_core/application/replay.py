"""Replay: a list that is given again is walked again, and compared with what the run has stored of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from batchor_core.application.context import RunContext
from batchor_core.domain.item import BatchItem
from batchor_core.domain.results import ItemFailure
from batchor_core.errors import SourceChangedError
from batchor_core.ports.state_records import ArtifactRecord, ItemRow

_PAGE_ITEMS = 1_000

type Encode = Callable[[BatchItem[Any], int], bytes | ItemFailure]
"""From an item and its index to its request line, as ingestion makes it."""


def replay_prefix(ctx: RunContext, items: Iterator[BatchItem[Any]], encode: Encode, *, count: int) -> None:
    """Walk the first *count* items, and leave *items* right behind them.

    Their ids and their requests must be the stored ones, else `SourceChangedError` names the first that is not:
    going on would give rows the answers of others.
    """
    index = 0
    while index < count:
        with ctx.store.reading() as uow:
            page = uow.items.page(ctx.run_id, first=index, limit=min(_PAGE_ITEMS, count - index))
            segment_ids = {row.segment_id for row in page if row.segment_id is not None}
            segments = {record.artifact_id: record for record in uow.artifacts.get(segment_ids)}
        requests = _stored_requests(ctx, page, segments)
        for row in page:
            item = next(items, None)
            if item is None:
                _refuse(ctx, row, f"only {row.item_index} items")
            if item.item_id != row.item_id:
                _refuse(ctx, row, f"item number {row.item_index + 1} with the id {item.item_id!r}")
            line = encode(item, row.item_index)
            if (None if isinstance(line, ItemFailure) else line) != requests.get(row.item_index):
                _refuse(ctx, row, f"item number {row.item_index + 1} {item.item_id!r} with another request")
        index = page[-1].item_index + 1


def _stored_requests(
    ctx: RunContext, page: Sequence[ItemRow], segments: Mapping[int, ArtifactRecord]
) -> dict[int, bytes]:
    """The request lines of a page of items, read with one call for each segment."""
    requests: dict[int, bytes] = {}
    for segment_id, segment in segments.items():
        rows = [row for row in page if row.segment_id == segment_id]
        start, end = rows[0].offset, rows[-1].offset + rows[-1].length
        content = ctx.artifacts.read(segment.name, offset=start, length=end - start)
        for row in rows:
            requests[row.item_index] = content[row.offset - start : row.offset - start + row.length]
    return requests


def _refuse(ctx: RunContext, row: ItemRow, given: str) -> NoReturn:
    stored = f"item number {row.item_index + 1} {row.item_id!r} at that place"
    raise SourceChangedError(ctx.run_id, stored=stored, change=f"the job now gives {given}")
