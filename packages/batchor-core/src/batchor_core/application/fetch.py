"""Fetch: the raw files that a batch brought back, stored as artifacts before they are read."""

import hashlib
from dataclasses import dataclass, replace

from batchor_core.application.context import RunContext
from batchor_core.application.leasing import hold
from batchor_core.domain.batch import BatchRecord
from batchor_core.errors import ArtifactError, ArtifactNotFoundError
from batchor_core.failpoints import around
from batchor_core.ports.artifacts import ArtifactWriter
from batchor_core.ports.provider import BatchClient
from batchor_core.ports.state_records import ArtifactKind, ArtifactRecord

MAX_OUTPUT_BYTES = 8 << 30
"""Far above what 50,000 answers can have; a download that goes on beyond it is broken off."""


@dataclass(frozen=True, slots=True)
class RawFile:
    """One of the two files of a batch, as the batch's record knows it."""

    remote_id: str | None
    artifact_id: int | None
    offset: int


def raw_file(batch: BatchRecord, kind: ArtifactKind) -> RawFile:
    if kind is ArtifactKind.OUTPUT:
        return RawFile(batch.output_file_id, batch.output_artifact_id, batch.output_offset)
    return RawFile(batch.error_file_id, batch.error_artifact_id, batch.error_offset)


def fetch(ctx: RunContext, batch: BatchRecord, client: BatchClient, *, kind: ArtifactKind) -> BatchRecord:
    """Store one of the batch's files as an artifact, unless it is stored or there is none."""
    file = raw_file(batch, kind)
    if file.remote_id is None:
        return batch
    if file.artifact_id is not None:
        _restore(ctx, client, file.remote_id, artifact_id=file.artifact_id)
        return batch
    record = _download(
        ctx, client, file.remote_id, kind=kind, name=f"{ctx.tag}/{kind.value}-{batch.batch_id:08d}.jsonl"
    )
    with around("collect.record_download"), ctx.store.transaction() as uow:
        held = hold(ctx, uow, batch)
        fetched = _with_artifact(held, kind, uow.artifacts.add(record).artifact_id)
        uow.batches.save(fetched)
    return fetched


def _download(ctx: RunContext, client: BatchClient, remote_id: str, *, kind: ArtifactKind, name: str) -> ArtifactRecord:
    with around("collect.download"), ctx.artifacts.create(name) as writer:
        sink = _HashingWriter(writer)
        size = client.download(remote_id, sink, max_bytes=MAX_OUTPUT_BYTES)
    return ArtifactRecord(
        artifact_id=0,
        run_id=ctx.run_id,
        kind=kind,
        name=name,
        size_bytes=size,
        sha256=sink.hexdigest(),
        state="complete",
    )


def _restore(ctx: RunContext, client: BatchClient, remote_id: str, *, artifact_id: int) -> None:
    """Fetch a stored file again if it was lost or cut since: its lines are delivered, and must not be bought again."""
    with ctx.store.reading() as uow:
        (record,) = uow.artifacts.get([artifact_id])
    if _is_whole(ctx, record):
        return
    restored = _download(ctx, client, remote_id, kind=record.kind, name=record.name)
    if restored.sha256 != record.sha256:
        raise ArtifactError(
            f"the artifact {record.name!r} was damaged, and the provider's file {remote_id} is not what it was; "
            "restore the artifact from a backup"
        )


def _is_whole(ctx: RunContext, record: ArtifactRecord) -> bool:
    try:
        return ctx.artifacts.size(record.name) == record.size_bytes
    except ArtifactNotFoundError:
        return False


def _with_artifact(batch: BatchRecord, kind: ArtifactKind, artifact_id: int) -> BatchRecord:
    if kind is ArtifactKind.OUTPUT:
        return replace(batch, output_artifact_id=artifact_id)
    return replace(batch, error_artifact_id=artifact_id)


class _HashingWriter:
    """Hashes bytes on their way into an artifact."""

    def __init__(self, writer: ArtifactWriter) -> None:
        self._writer = writer
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self._sha256.update(data)
        return self._writer.write(data)

    def sync(self) -> int:
        return self._writer.sync()

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()
