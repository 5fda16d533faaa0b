"""All batches: one record file each, rewritten at every step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchor_emulator.identifiers import BATCH_ID
from batchor_emulator.state.batch_record import BatchRecord, Tally, decode_batch, encode_batch
from batchor_emulator.state.batch_status import BatchEvent
from batchor_emulator.state.private_files import make_private_dir, remove_leftovers, write_durably

type Change = Callable[[BatchRecord], BatchRecord]


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of the list of batches."""

    batches: tuple[BatchRecord, ...]
    has_more: bool


class BatchStore:
    """All batches in the order of their creation, served from memory.

    A change is on disk before anybody can see it. Changes of one batch are made one after the
    other, so a cancel and a step of the engine never overwrite each other. All methods belong to
    the event loop's thread.
    """

    def __init__(self, folder: Path) -> None:
        make_private_dir(folder)
        remove_leftovers(folder)
        self._folder = folder
        self._batches = {batch.id: batch for batch in sorted(self._stored(), key=lambda b: b.created_at)}
        self._order = list(self._batches)
        self._positions = {batch_id: position for position, batch_id in enumerate(self._order)}
        self._locks: dict[str, asyncio.Lock] = {}

    async def add(self, batch: BatchRecord) -> None:
        """Store a new batch."""
        await self._save(batch)
        self._batches[batch.id] = batch
        self._positions[batch.id] = len(self._order)
        self._order.append(batch.id)

    def get(self, batch_id: str) -> BatchRecord | None:
        """The batch as it stands; None when there is none."""
        return self._batches.get(batch_id)

    def unfinished(self) -> Sequence[BatchRecord]:
        """The batches that still need work, oldest first."""
        return [batch for batch in self._batches.values() if not batch.is_terminal]

    def finished(self) -> Sequence[BatchRecord]:
        """The batches in a terminal state, oldest first."""
        return [batch for batch in self._batches.values() if batch.is_terminal]

    def page(self, *, after: str | None, limit: int, created_until: float) -> BatchPage | None:
        """Newest first, beginning behind *after*; None when *after* names no batch.

        Batches that were created after *created_until*, in Unix seconds, are left out.
        """
        end = len(self._order) if after is None else self._positions.get(after)
        if end is None:
            return None
        while end > 0 and self._batches[self._order[end - 1]].created_at > created_until:
            end -= 1
        start = max(0, end - limit)
        batches = tuple(self._batches[batch_id] for batch_id in reversed(self._order[start:end]))
        return BatchPage(batches, has_more=start > 0)

    async def move(self, batch_id: str, event: BatchEvent, change: Change | None = None) -> BatchRecord:
        """Apply *event*, and *change* to what else it alters.

        Raises `IllegalTransitionError` when the batch is no longer in a state for it.
        """
        async with self._locks.setdefault(batch_id, asyncio.Lock()):
            moved = self._batches[batch_id].moved(event, at=time.time())
            if change is not None:
                moved = change(moved)
            await self._save(moved)
            self._batches[batch_id] = moved
        if moved.is_terminal:
            self._locks.pop(batch_id, None)
        return moved

    def show_progress(self, batch_id: str, tally: Tally) -> None:
        """Show how far a batch is. Not stored: the journal is the fact, and is counted after a restart."""
        self._batches[batch_id] = self._batches[batch_id].with_tally(tally)

    async def _save(self, batch: BatchRecord) -> None:
        await asyncio.to_thread(write_durably, self._folder / f"{batch.id}.json", encode_batch(batch))

    def _stored(self) -> Iterator[BatchRecord]:
        for path in self._folder.glob("*.json"):
            if BATCH_ID.fullmatch(path.stem):
                yield decode_batch(path.read_bytes())
