"""The input file of a batch, put together from byte ranges of request segments."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import takewhile
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

from batchor_core.application.context import RunContext
from batchor_core.domain.batch import BatchRecord
from batchor_core.domain.chunking import RequestRef
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import ArtifactRecord, UnitOfWork

_COPY_BYTES = 1 << 20


class _Span(NamedTuple):
    segment_id: int
    offset: int
    length: int


def batch_requests(uow: UnitOfWork, batch: BatchRecord) -> list[RequestRef]:
    """The requests of a batch in the order of its input file: its retries, then its range."""
    retries = uow.retries.bound(batch)
    fresh = uow.items.requests(batch.run_id, first=batch.first, limit=batch.last - batch.first)
    return [*retries, *takewhile(lambda ref: ref.item_index < batch.last, fresh)]


@contextmanager
def input_file(ctx: RunContext, batch: BatchRecord) -> Generator[BinaryIO]:
    """The input file, open for reading; a temporary one unless a segment is just that file."""
    with ctx.store.reading() as uow:
        spans = _spans(batch_requests(uow, batch))
        segments = {record.artifact_id: record for record in uow.artifacts.get({span.segment_id for span in spans})}
    whole = _whole_segment(ctx.artifacts, spans, segments)
    if whole is not None:
        with ctx.artifacts.open(whole.name) as content:
            yield content
        return
    with TemporaryFile(prefix="batchor-") as content:
        for span in spans:
            _copy(ctx.artifacts, segments[span.segment_id].name, span, content)
        content.seek(0)
        yield content


def _spans(requests: Iterable[RequestRef]) -> list[_Span]:
    """Byte ranges that lie side by side, joined."""
    spans: list[_Span] = []
    for ref in requests:
        last = spans[-1] if spans else None
        if last is not None and last.segment_id == ref.segment_id and last.offset + last.length == ref.offset:
            spans[-1] = last._replace(length=last.length + ref.length)
        else:
            spans.append(_Span(ref.segment_id, ref.offset, ref.length))
    return spans


def _whole_segment(
    artifacts: ArtifactStore, spans: Sequence[_Span], segments: dict[int, ArtifactRecord]
) -> ArtifactRecord | None:
    """The segment that is just the input file, if one is. The object of one that a crash ended may be longer."""
    if len(spans) != 1:
        return None
    span = spans[0]
    record = segments[span.segment_id]
    is_whole = record.state == "complete" and span.offset == 0 and span.length == record.size_bytes
    return record if is_whole and artifacts.size(record.name) == record.size_bytes else None


def _copy(artifacts: ArtifactStore, name: str, span: _Span, target: BinaryIO) -> None:
    end = span.offset + span.length
    target.writelines(
        artifacts.read(name, offset=offset, length=min(_COPY_BYTES, end - offset))
        for offset in range(span.offset, end, _COPY_BYTES)
    )
