"""The smaller stores inside a transaction of `MemoryStateStore`: lineage, artifacts, capacity, events."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter

from batchor_core.adapters.memory_store import MemoryStore, stored_object
from batchor_core.domain.capacity import CapacityRecord
from batchor_core.domain.events import RunEvent
from batchor_core.domain.lineage import LineageSpan
from batchor_core.errors import StorageError
from batchor_core.ports.state_records import ArtifactRecord


class MemoryLineageStore(MemoryStore):
    """Where items come from."""

    def append(self, run_id: str, spans: Sequence[LineageSpan]) -> None:
        self._journal.extend(self._run(run_id).lineage, spans)

    def spans(self, run_id: str, *, first: int, last: int) -> Sequence[LineageSpan]:
        spans = self._run(run_id).lineage
        start = bisect_right(spans, first, key=attrgetter("first_index"))
        end = bisect_left(spans, last, key=attrgetter("first_index"))
        return spans[max(start - 1, 0) : end]


class MemoryArtifactCatalog(MemoryStore):
    """What is known of artifacts."""

    def add(self, artifact: ArtifactRecord) -> ArtifactRecord:
        facts = self._run(artifact.run_id)
        stored = replace(artifact, artifact_id=next(self._facts.artifact_ids))
        self._journal.update(self._facts.artifacts, {stored.artifact_id: stored})
        self._journal.extend(facts.artifact_ids, [stored.artifact_id])
        return stored

    def save(self, artifact: ArtifactRecord) -> None:
        if (old := self._facts.artifacts.get(artifact.artifact_id)) is None:
            raise StorageError(f"artifact {artifact.name!r} is not stored yet; add it before it is saved")
        new = replace(
            old, size_bytes=artifact.size_bytes, lines=artifact.lines, sha256=artifact.sha256, state=artifact.state
        )
        self._journal.update(self._facts.artifacts, {new.artifact_id: new})

    def get(self, artifact_ids: Collection[int]) -> Sequence[ArtifactRecord]:
        known = self._facts.artifacts
        return [known[artifact_id] for artifact_id in dict.fromkeys(artifact_ids) if artifact_id in known]

    def of_run(self, run_id: str) -> Sequence[ArtifactRecord]:
        return [self._facts.artifacts[artifact_id] for artifact_id in self._run(run_id).artifact_ids]


class MemoryCapacityStore(MemoryStore):
    """Enqueued tokens, by scope."""

    def get(self, scope: str) -> CapacityRecord:
        return self._facts.capacity.get(scope, CapacityRecord(scope))

    def lock(self, scope: str) -> CapacityRecord:
        return self.get(scope)

    def save(self, capacity: CapacityRecord) -> None:
        self._journal.update(self._facts.capacity, {capacity.scope: capacity})


class MemoryEventLog(MemoryStore):
    """Events, in one list per run."""

    def append(self, events: Sequence[RunEvent]) -> None:
        for event in events:
            stored = replace(event, data=stored_object(event.data))
            row = (next(self._facts.event_sequences), stored)
            self._journal.extend(self._run(event.run_id).events, [row])

    def read(self, run_id: str, *, after: int, limit: int) -> Sequence[tuple[int, RunEvent]]:
        events = self._run(run_id).events
        start = bisect_right(events, after, key=itemgetter(0))
        return events[start : start + limit]
