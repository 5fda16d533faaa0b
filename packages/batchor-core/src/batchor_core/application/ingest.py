"""Ingest: rows of the source become items and encoded requests, slice by slice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from batchor_core.application.context import RunContext
from batchor_core.application.iterable_source import IterableItemSource
from batchor_core.application.reject import rejections
from batchor_core.application.replay import replay_prefix
from batchor_core.application.segment import OpenSegment, sealed_as_committed, segment_record
from batchor_core.domain.events import EventType
from batchor_core.domain.item import BatchItem, ItemStatus, PromptParts
from batchor_core.domain.item_checks import check_item_id, metadata_text
from batchor_core.domain.job import BatchJob
from batchor_core.domain.lineage import LineageWriter
from batchor_core.domain.results import ErrorClass, ItemFailure
from batchor_core.domain.run import RunRecord
from batchor_core.errors import LeaseLostError, PromptBuildError, RequestEncodingError
from batchor_core.failpoints import around
from batchor_core.json_types import JsonValue
from batchor_core.ports.provider import RequestCodec, TokenCounter
from batchor_core.ports.sources import CheckpointedItemSource, SourceCursor
from batchor_core.ports.state import ItemRow, UnitOfWork


@dataclass(slots=True)
class _Slice:
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
        self._codec = codec
        self._tokens = tokens
        # Looked up once, and not for each row.
        self._build_prompt = job.build_prompt
        self._id_head = f"{ctx.tag}-"
        self._request_limit_bytes = job.chunk_policy.request_limit_bytes
        self._fence: int | None = None
        self._next_index = 0
        self._cursor: SourceCursor[Any] | None = None
        self._rows: Iterator[BatchItem[Any]] = iter(())
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
        is_replayed = isinstance(self._source, IterableItemSource)
        self._cursor = self._source.open(None if is_replayed else checkpoint)
        self._rows = iter(self._cursor)
        if is_replayed:
            replay_prefix(self._ctx, self._rows, self._request_of, count=self._next_index)

    def _read_slice(self) -> _Slice:
        bounds = self._ctx.services.slices
        chunk = self._job.chunk_policy
        clock = self._ctx.services.clock
        deadline = clock.monotonic() + bounds.max_seconds
        piece = _Slice()
        for index, item in enumerate(self._rows, start=self._next_index):
            self._add(piece, item, index)
            segment = self._segment
            if segment is not None and (
                segment.lines >= chunk.max_requests or segment.size_bytes >= chunk.max_batch_bytes
            ):
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

    def _add(self, piece: _Slice, item: BatchItem[Any], index: int) -> None:
        item_id = check_item_id(item, index)
        own = self._lineage.own_metadata(item.metadata, item_id, index)
        metadata = metadata_text(own, item_id=item_id, place=index) if own else None
        prompt = self._build(item)
        line = self._encode(prompt, index)
        if isinstance(line, ItemFailure):
            piece.failures.append((index, line))
            piece.rows.append(ItemRow(index, item_id, metadata, None, 0, 0, 0))
        else:
            segment = self._segment or self._open_segment(index)
            length = len(line)
            piece.rows.append(ItemRow(index, item_id, metadata, segment.artifact_id, segment.write(line), length, 0))
            piece.request_bytes += length
        if self._tokens is not None:
            piece.prompts.append(prompt if isinstance(prompt, PromptParts) else PromptParts(""))

    def _build(self, item: BatchItem[Any]) -> PromptParts | ItemFailure:
        try:
            prompt = self._build_prompt(item)
            return prompt if type(prompt) is PromptParts else _checked_prompt(prompt)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            if self._job.on_prompt_error == "fail_item":
                return ItemFailure(ErrorClass.PROMPT_FAILED, problem)
            raise PromptBuildError(self._ctx.run_id, item.item_id, problem) from error

    def _request_of(self, item: BatchItem[Any], index: int) -> bytes | ItemFailure:
        return self._encode(self._build(item), index)

    def _encode(self, prompt: PromptParts | ItemFailure, index: int) -> bytes | ItemFailure:
        if isinstance(prompt, ItemFailure):
            return prompt
        try:
            line = self._codec.encode(f"{self._id_head}{index}", prompt)
        except RequestEncodingError as error:
            return ItemFailure(ErrorClass.INVALID_REQUEST, str(error))
        limit = self._request_limit_bytes
        if len(line) > limit:
            problem = f"the request has {len(line)} bytes, the limit is {limit}; shorten the prompt"
            return ItemFailure(ErrorClass.REQUEST_TOO_LARGE, problem)
        return line

    def _open_segment(self, index: int) -> OpenSegment:
        """A new segment, known to the state before a byte of it is written."""
        ctx = self._ctx
        with around("ingest.open_segment"), ctx.store.transaction() as uow:
            run = self._locked(uow)
            fence = run.ingest.lease.fence
            record = uow.artifacts.add(segment_record(ctx.run_id, ctx.tag, first_index=index, fence=fence))
            uow.runs.save(replace(run, ingest=replace(run.ingest, segment_id=record.artifact_id)))
        self._segment = OpenSegment(ctx.artifacts, record)
        return self._segment

    def _commit(self, piece: _Slice) -> None:
        ctx = self._ctx
        assert self._cursor is not None  # noqa: S101  _begin opened it
        checkpoint = self._cursor.checkpoint()
        tokens = self._count_tokens(piece)
        if self._segment is not None:
            self._segment.sync()
        with around("ingest.commit"), ctx.store.transaction() as uow:
            run = self._locked(uow)
            if self._segment is not None:
                uow.artifacts.save(self._segment.described(sealed=piece.seals_segment))
            uow.items.append(ctx.run_id, _with_tokens(piece.rows, tokens))
            if spans := self._lineage.new_spans():
                uow.lineage.append(ctx.run_id, spans)
            uow.results.append(ctx.run_id, rejections(piece.failures, after=run.result_sequence))
            run, events = ctx.finish_if_done(self._advanced(run, piece, checkpoint=checkpoint, tokens=sum(tokens)))
            uow.runs.save(run)
            uow.events.append(events)
        self._next_index = run.ingest.next_index
        if piece.seals_segment and self._segment is not None:
            self._segment.close()
            self._segment = None
        data: dict[str, JsonValue] = {"ingested": len(piece.rows), "total": run.ingest.next_index}
        ctx.emit(ctx.event(EventType.ITEMS_INGESTED, data), *events)

    def _advanced(self, run: RunRecord, piece: _Slice, *, checkpoint: JsonValue, tokens: int) -> RunRecord:
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

    def _count_tokens(self, piece: _Slice) -> Sequence[int]:
        if self._tokens is None:
            return ()
        counts = self._tokens.count(piece.prompts)
        return [count if row.length else 0 for row, count in zip(piece.rows, counts, strict=True)]

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


def _checked_prompt(prompt: object) -> PromptParts:
    if isinstance(prompt, PromptParts):
        return prompt
    if isinstance(prompt, str):
        return PromptParts(prompt)
    raise TypeError(f"it returned {type(prompt).__name__}; return PromptParts or a str")


def _with_tokens(rows: list[ItemRow], tokens: Sequence[int]) -> list[ItemRow]:
    if not tokens:
        return rows
    return [row._replace(tokens=count) for row, count in zip(rows, tokens, strict=True)]
