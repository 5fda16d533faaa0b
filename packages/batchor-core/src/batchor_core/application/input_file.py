"""The input file of a batch, put together from byte ranges of request segments."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import groupby, takewhile
from operator import attrgetter
from tempfile import TemporaryFile
from typing import BinaryIO

from batchor_core.application.byte_range import pieces
from batchor_core.application.context import RunContext
from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.chunking import ByteRange, RequestRef, byte_ranges
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import UnitOfWork
from batchor_core.ports.state_records import ArtifactRecord


def batch_requests(uow: UnitOfWork, batch: BatchRecord) -> list[RequestRef]:
    """The requests of a batch in the order of its input file: its retries, then its range."""
    retries = uow.retries.bound(batch)
    fresh = uow.items.requests(batch.run_id, first=batch.first, limit=batch.last - batch.first)
    return [*retries, *takewhile(lambda ref: ref.item_index < batch.last, fresh)]


@contextmanager
def input_file(ctx: RunContext, batch: BatchRecord) -> Generator[BinaryIO]:
    """The input file, open for reading; a temporary one unless a segment is just that file."""
    with ctx.store.reading() as uow:
        ranges = _ranges(uow, batch)
        segments = {record.artifact_id: record for record in uow.artifacts.get({each.segment_id for each in ranges})}
    whole = _whole_segment(ctx.artifacts, ranges, segments)
    if whole is not None:
        with ctx.artifacts.open(whole.name) as content:
            yield content
        return
    with TemporaryFile(prefix="batchor-") as content:
        for segment_id, neighbours in groupby(ranges, key=attrgetter("segment_id")):
            with ctx.artifacts.open(segments[segment_id].name) as segment:
                name = segments[segment_id].name
                for each in neighbours:
                    content.writelines(pieces(segment, name=name, offset=each.offset, length=each.length))
        content.seek(0)
        yield content


def _ranges(uow: UnitOfWork, batch: BatchRecord) -> list[ByteRange]:
    """Where the bytes of the input file lie, in its order."""
    retries = uow.retries.bound(batch)
    if batch.first < batch.last:
        fresh_bytes = batch.request_bytes - sum(ref.length for ref in retries)
        ends = [*_request_at(uow, batch, batch.first), *_request_at(uow, batch, batch.last - 1)]
        if (piece := _one_piece(ends, fresh_bytes)) is not None:
            return [*byte_ranges(retries), piece]
    return byte_ranges(batch_requests(uow, batch))


def _request_at(uow: UnitOfWork, batch: BatchRecord, index: int) -> Sequence[RequestRef]:
    return uow.items.requests(batch.run_id, first=index, limit=1)


def _one_piece(ends: Sequence[RequestRef], size_bytes: int) -> ByteRange | None:
    """From the first request to the last, when between them lies what the batch has to send and nothing else."""
    first, last = ends[0], ends[-1]
    piece = ByteRange(first.segment_id, first.offset, size_bytes)
    return piece if first.segment_id == last.segment_id and piece.end == last.offset + last.length else None


def _whole_segment(
    artifacts: ArtifactStore, ranges: Sequence[ByteRange], segments: dict[int, ArtifactRecord]
) -> ArtifactRecord | None:
    """The segment that is just the input file, if one is. The object of one that a crash ended may be longer."""
    if len(ranges) != 1:
        return None
    only = ranges[0]
    record = segments[only.segment_id]
    is_whole = record.state == "complete" and only.offset == 0 and only.length == record.size_bytes
    return record if is_whole and artifacts.size(record.name) == record.size_bytes else None
