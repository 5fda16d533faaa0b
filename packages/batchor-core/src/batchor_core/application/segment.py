"""Request segments: the files into which ingestion writes each request once."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from batchor_core.failpoints import around
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state_records import ArtifactKind, ArtifactRecord


class OpenSegment:
    """The segment that one holder of the ingestion lease is writing, hashed as it grows.

    No other worker ever writes to it: whoever takes the ingestion over seals it as far as it is
    committed, and begins a segment of its own. So a worker that wakes up late can harm nothing.
    """

    def __init__(self, artifacts: ArtifactStore, record: ArtifactRecord) -> None:
        self.record = record
        self.artifact_id = record.artifact_id
        self._sha256 = hashlib.sha256()
        self._stack = ExitStack()
        self._writer = self._stack.enter_context(artifacts.append(record.name, at=0))
        self._unwritten: list[bytes] = []
        self.size_bytes = 0
        self.lines = 0

    def extend(self, lines: Sequence[bytes]) -> None:
        """Append request lines, which wait in memory for the next `sync`."""
        self._unwritten += lines
        self.size_bytes += sum(map(len, lines))
        self.lines += len(lines)

    def sync(self) -> None:
        """Make what was appended durable; only then may the state name it."""
        # A slice's lines at once: to write and to hash them one by one costs as much as to make them.
        data = b"".join(self._unwritten)
        self._unwritten.clear()
        with around("ingest.sync_segment"):
            self._writer.write(data)
            self._sha256.update(data)
            self._writer.sync()

    def described(self, *, sealed: bool) -> ArtifactRecord:
        """The record of the segment as it now is."""
        record = replace(self.record, size_bytes=self.size_bytes, lines=self.lines)
        if not sealed:
            return record
        return replace(record, sha256=self._sha256.hexdigest(), state="complete")

    def close(self) -> None:
        self._stack.close()


def segment_record(run_id: str, tag: str, *, first_index: int, fence: int) -> ArtifactRecord:
    """The record of a new segment that begins with the item of *first_index*, written under the lease's *fence*."""
    name = f"{tag}/requests-{first_index:010d}-{fence}.jsonl"
    return ArtifactRecord(artifact_id=0, run_id=run_id, kind=ArtifactKind.REQUEST, name=name)


def sealed_as_committed(record: ArtifactRecord) -> ArtifactRecord:
    """A dead worker's segment, sealed at its last committed length; the object may be longer.

    Its hash stays unknown: to read it again would make taking a run up the dearer the more it has read.
    """
    return replace(record, state="complete")
