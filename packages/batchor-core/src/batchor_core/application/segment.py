"""Request segments: the files into which ingestion writes each request once."""

import hashlib
from contextlib import ExitStack
from dataclasses import replace

from batchor_core.failpoints import around
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import ArtifactKind, ArtifactRecord

_READ_BYTES = 1 << 20


class OpenSegment:
    """The segment that ingestion is writing, hashed as it grows.

    It is opened at its last committed length: what a dead process wrote behind that is cut off.
    """

    def __init__(self, artifacts: ArtifactStore, record: ArtifactRecord) -> None:
        self.record = record
        self._sha256 = _hash_of_prefix(artifacts, record)
        self._stack = ExitStack()
        self._writer = self._stack.enter_context(artifacts.append(record.name, at=record.size_bytes))
        self.size_bytes = record.size_bytes
        self.lines = record.lines

    def write(self, line: bytes) -> int:
        """Append one request line; the byte offset at which it begins."""
        offset = self.size_bytes
        self._writer.write(line)
        self._sha256.update(line)
        self.size_bytes += len(line)
        self.lines += 1
        return offset

    def sync(self) -> None:
        """Make what was written durable; only then may the state name it."""
        with around("ingest.sync_segment"):
            self._writer.sync()

    def described(self, *, sealed: bool) -> ArtifactRecord:
        """The record of the segment as it now is."""
        record = replace(self.record, size_bytes=self.size_bytes, lines=self.lines)
        if not sealed:
            return record
        return replace(record, sha256=self._sha256.hexdigest(), state="complete")

    def close(self) -> None:
        self._stack.close()


def segment_record(run_id: str, tag: str, *, first_index: int) -> ArtifactRecord:
    """The record of a new segment that begins with the item of *first_index*."""
    name = f"{tag}/requests-{first_index:010d}.jsonl"
    return ArtifactRecord(artifact_id=0, run_id=run_id, kind=ArtifactKind.REQUEST, name=name)


def _hash_of_prefix(artifacts: ArtifactStore, record: ArtifactRecord) -> "hashlib._Hash":
    sha256 = hashlib.sha256()
    for offset in range(0, record.size_bytes, _READ_BYTES):
        length = min(_READ_BYTES, record.size_bytes - offset)
        sha256.update(artifacts.read(record.name, offset=offset, length=length))
    return sha256
