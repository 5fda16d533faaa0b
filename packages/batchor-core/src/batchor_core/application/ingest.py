"""Ingest: rows of the source become items and encoded requests, slice by slice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from batchor_core.application.build_requests import RequestBuilder, are_all
from batchor_core.application.context import RunContext
from batchor_core.application.iterable_source import IterableItemSource
from batchor_core.application.reject import rejections
from batchor_core.application.replay import replay_prefix
from batchor_core.application.segment import OpenSegment, sealed_as_committed, segment_record
from batchor_core.application.slice import Slice
from batchor_core.application.stretch import IteratedItems, StretchReader
from batchor_core.domain.events import EventType
from batchor_core.domain.item import ItemStatus, PromptParts
from batchor_core.domain.item_checks import check_item_ids, metadata_text
from batchor_core.domain.job import BatchJob
from batchor_core.domain.lineage import LineageWriter
from batchor_core.domain.results import ItemFailure
from batchor_core.domain.run import RunRecord
from batchor_core.errors import InvalidItemError, LeaseLostError
from batchor_core.failpoints import around
from batchor_core.json_types import JsonValue
from batchor_core.ports.provider import RequestCodec, TokenCounter
from batchor_core.ports.sources import CheckpointedItemSource, ItemStretch, SourceCursor, StretchCursor
from batchor_core.ports.state import UnitOfWork


@dataclass(frozen=True, slots=True)
class IngestStep:
    """What one step did. `held_until`: another worker ingests this run; nothing was done."""

    ingested: int = 0
    complete: bool = False
    held_until: datetime | None = None


class Ingestion:
    """The reading of one source into one run, by the worker that holds the run's ingestion lease.

    Each step makes one slice durable: first the segment's bytes, then one transaction with the
    items, the counters and the source's checkpoint. A crash in between leaves bytes that nothing
    names; the next worker begins a segment of its own and reads on from the checkpoint.
    """

    def __init__(
        self,
        ctx: RunContext,
        job: BatchJob[Any, Any],
        *,
        source: CheckpointedItemSource[Any],
        codec: RequestCodec,
        tokens: TokenCounter | None,
    ) -> None:
        self._ctx = ctx
        self._job = job
        self._source = source
        self._tokens = tokens
        self._requests = RequestBuilder(job, codec, run_id=ctx.run_id, tag=ctx.tag)
        self._fence: int | None = None
        self._next_index = 0
        self._cursor: SourceCursor[Any] | None = None
        self._reader = StretchReader(IteratedItems(iter(()), ctx.services.clock), ctx.services.clock)
        self._segment: OpenSegment | None = None
        self._lineage = LineageWriter(None)

    def step(self) -> IngestStep:
        """Ingest one slice. An error of the source or of `build_prompt` leaves the run as the last slice did."""
        try:
            if self._cursor is None and (nothing_to_do := self._begin()) is not None:
                return nothing_to_do
            piece = self._read_slice()
            self._commit(piece)
        except (Exception, KeyboardInterrupt):
            self.close()
            raise
        except BaseException:
            # The process is dying: no time for the lease, which will expire.
            self._close_files()
            raise
        if piece.exhausted:
            self._close_files()
        return IngestStep(ingested=len(piece.rows), complete=piece.exhausted)

    def close(self) -> None:
        """Close the files and give the lease back; a later step begins again from what is committed."""
        self._close_files()
        if self._fence is not None:
            fence, self._fence = self._fence, None
            self._release(fence)

    def _begin(self) -> IngestStep | None:
        """Take the lease and open the source at its checkpoint; else say why there is nothing to do."""
        ctx = self._ctx
        with around("ingest.lease"), ctx.store.transaction() as uow:
            run = uow.runs.lock(ctx.run_id)
            now = ctx.now()
            if run.ingest.complete:
                return IngestStep(complete=True)
            if not run.ingest.lease.is_free(now):
                return IngestStep(held_until=run.ingest.lease.until)
            lease = run.ingest.lease.taken(ctx.services.owner, now=now, ttl=ctx.services.lease_ttl)
            if run.ingest.segment_id is not None:
                # A former worker's: closed for good, so that it cannot write among what is written from here on.
                for left_open in uow.artifacts.get([run.ingest.segment_id]):
                    uow.artifacts.save(sealed_as_committed(left_open))
            uow.runs.save(replace(run, ingest=replace(run.ingest, lease=lease, segment_id=None)))
            next_index = run.ingest.next_index
            last_spans = uow.lineage.spans(ctx.run_id, first=next_index, last=next_index + 1)
        self._lineage = LineageWriter(last_spans[-1] if last_spans else None)
        self._fence = lease.fence
        self._next_index = run.ingest.next_index
        self._open_source(run.ingest.checkpoint)
        return None

    def _open_source(self, checkpoint: JsonValue) -> None:
        clock = self._ctx.services.clock
        is_replayed = isinstance(self._source, IterableItemSource)
        cursor = self._cursor = self._source.open(None if is_replayed else checkpoint)
        if isinstance(cursor, StretchCursor):
            self._reader = StretchReader(cursor, clock)
            return
        rows = iter(cursor)
        if is_replayed:
            replay_prefix(self._ctx, rows, self._requests.line, count=self._next_index)
        self._reader = StretchReader(IteratedItems(rows, clock), clock)

    def _read_slice(self) -> Slice:
        bounds = self._ctx.services.slices
        clock = self._ctx.services.clock
        deadline = clock.monotonic() + bounds.max_seconds
        piece = Slice()
        while (stretch := self._next_stretch(piece)).items:
            self._add(piece, stretch)
            requests_left, room_bytes = self._segment_room()
            if requests_left <= 0 or room_bytes <= 0:
                piece.segment_full = True
                return piece
            if (
                len(piece.rows) >= bounds.max_rows
                or piece.request_bytes >= bounds.max_bytes
                or clock.monotonic() >= deadline
            ):
                return piece
        piece.exhausted = True
        return piece

    def _next_stretch(self, piece: Slice) -> ItemStretch[Any]:
        """No more than the slice and the segment have room for."""
        bounds = self._ctx.services.slices
        requests_left, room_bytes = self._segment_room()
        return self._reader.take(
            max_rows=min(bounds.max_rows - len(piece.rows), requests_left),
            max_bytes=min(bounds.max_bytes - piece.request_bytes, room_bytes),
        )

    def _segment_room(self) -> tuple[int, int]:
        """Requests and bytes that the segment can still take."""
        chunk, segment = self._job.chunk_policy, self._segment
        if segment is None:
            return chunk.max_requests, chunk.max_batch_bytes
        return chunk.max_requests - segment.lines, chunk.max_batch_bytes - segment.size_bytes

    def _add(self, piece: Slice, stretch: ItemStretch[Any]) -> None:
        items, first = stretch.items, self._next_index + len(piece.rows)
        try:
            item_ids = check_item_ids(items, first)
            metadata = self._own_metadata(stretch, item_ids, first)
        except InvalidItemError:
            # Row by row, so that of several faults the first is told, be it a prompt's.
            for item in items if len(items) > 1 else ():
                self._add(piece, ItemStretch((item,)))
            raise
        prompts = self._requests.prompts(items)
        self._append(piece, item_ids, metadata, self._requests.lines(prompts, first))
        if self._tokens is not None:
            piece.prompts += [PromptParts("") if isinstance(prompt, ItemFailure) else prompt for prompt in prompts]

    def _own_metadata(self, stretch: ItemStretch[Any], item_ids: Sequence[str], first: int) -> Sequence[str | None]:
        """What is to be stored of each item's metadata, as text."""
        if stretch.lineage is not None and self._lineage.tells(stretch.lineage, item_ids[0], first):
            if stretch.own is None:
                return [None] * len(item_ids)
            own = iter(stretch.own)
        else:
            whole = enumerate(zip(stretch.items, item_ids, strict=True), first)
            own = (self._lineage.own_metadata(item.metadata, item_id, index) for index, (item, item_id) in whole)
        return [
            metadata_text(each, item_id=item_id, place=index)
            for index, (each, item_id) in enumerate(zip(own, item_ids, strict=True), first)
        ]

    def _append(
        self,
        piece: Slice,
        item_ids: Sequence[str],
        metadata: Sequence[str | None],
        lines: Sequence[bytes | ItemFailure],
    ) -> None:
        requests = lines if are_all(lines, bytes) else [line for line in lines if isinstance(line, bytes)]
        first = self._next_index + len(piece.rows)
        if requests and self._segment is None:
            self._segment = self._open_segment(first)
        segment_id, begin = (
            (None, 0) if (segment := self._segment) is None else (segment.artifact_id, segment.size_bytes)
        )
        piece.extend(first, item_ids, metadata, lines, segment_id=segment_id, begin=begin)
        if segment is not None:
            segment.extend(requests)
        self._reader.done(line_bytes=max(map(len, requests), default=0))

    def _open_segment(self, index: int) -> OpenSegment:
        """A new segment, known to the state before a byte of it is written."""
        ctx = self._ctx
        with around("ingest.open_segment"), ctx.store.transaction() as uow:
            run = self._locked(uow)
            fence = run.ingest.lease.fence
            record = uow.artifacts.add(segment_record(ctx.run_id, ctx.tag, first_index=index, fence=fence))
            uow.runs.save(replace(run, ingest=replace(run.ingest, segment_id=record.artifact_id)))
        return OpenSegment(ctx.artifacts, record)

    def _commit(self, piece: Slice) -> None:
        ctx = self._ctx
        assert self._cursor is not None  # noqa: S101  _begin opened it
        checkpoint = self._cursor.checkpoint()
        tokens = 0 if self._tokens is None else piece.count_tokens(self._tokens.count(piece.prompts))
        if self._segment is not None:
            self._segment.sync()
        with around("ingest.commit"), ctx.store.transaction() as uow:
            run = self._locked(uow)
            if self._segment is not None:
                uow.artifacts.save(self._segment.described(sealed=piece.seals_segment))
            uow.items.append(ctx.run_id, piece.rows)
            if spans := self._lineage.new_spans():
                uow.lineage.append(ctx.run_id, spans)
            uow.results.append(ctx.run_id, rejections(piece.failures, after=run.result_sequence))
            run, events = ctx.finish_if_done(self._advanced(run, piece, checkpoint=checkpoint, tokens=tokens))
            uow.runs.save(run)
            uow.events.append(events)
        self._next_index = run.ingest.next_index
        if piece.seals_segment and self._segment is not None:
            self._segment.close()
            self._segment = None
        data: dict[str, JsonValue] = {"ingested": len(piece.rows), "total": run.ingest.next_index}
        ctx.emit(ctx.event(EventType.ITEMS_INGESTED, data), *events)

    def _advanced(self, run: RunRecord, piece: Slice, *, checkpoint: JsonValue, tokens: int) -> RunRecord:
        lease = run.ingest.lease.renewed(now=self._ctx.now(), ttl=self._ctx.services.lease_ttl)
        rejected = len(piece.failures)
        ingest = replace(
            run.ingest,
            checkpoint=checkpoint,
            next_index=run.ingest.next_index + len(piece.rows),
            segment_id=None if piece.seals_segment else run.ingest.segment_id,
            complete=piece.exhausted,
            lease=lease.released() if piece.exhausted else lease,
        )
        counts = run.counts.accept(len(piece.rows) - rejected)
        return replace(
            run,
            ingest=ingest,
            counts=counts.accept(rejected, status=ItemStatus.FAILED_PERMANENT),
            result_sequence=run.result_sequence + rejected,
            pending_bytes=run.pending_bytes + piece.request_bytes,
            pending_tokens=run.pending_tokens + tokens,
        )

    def _locked(self, uow: UnitOfWork) -> RunRecord:
        run = uow.runs.lock(self._ctx.run_id)
        if run.ingest.lease.fence != self._fence:
            raise LeaseLostError(f"the ingestion of run {self._ctx.run_id!r}")
        return run

    def _release(self, fence: int) -> None:
        ctx = self._ctx
        with around("ingest.release"), ctx.store.transaction() as uow:
            run = uow.runs.lock(ctx.run_id)
            if run.ingest.lease.fence == fence:
                uow.runs.save(replace(run, ingest=replace(run.ingest, lease=run.ingest.lease.released())))

    def _close_files(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
        if self._segment is not None:
            self._segment.close()
        self._cursor = self._segment = None
