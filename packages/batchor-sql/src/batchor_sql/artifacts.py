"""What the state knows of the artifact store's objects."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select, update

from batchor_core.errors import StorageError
from batchor_core.ports.state_records import ArtifactRecord
from batchor_sql.schema import artifact as artifacts
from batchor_sql.schema import run
from batchor_sql.scope import Scope, in_slices

_RECORDS = select(
    artifacts.c.artifact_id,
    run.c.run_id,
    artifacts.c.kind,
    artifacts.c.name,
    artifacts.c.size_bytes,
    artifacts.c.lines,
    artifacts.c.sha256,
    artifacts.c.state,
).join_from(artifacts, run)
"""The fields of an `ArtifactRecord`, in its order."""


class SqlArtifactCatalog:
    """`ArtifactCatalog` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def add(self, artifact: ArtifactRecord) -> ArtifactRecord:
        new = (
            insert(artifacts)
            .values(
                run_key=self._scope.run_key(artifact.run_id),
                kind=artifact.kind,
                name=artifact.name,
                size_bytes=artifact.size_bytes,
                lines=artifact.lines,
                sha256=artifact.sha256,
                state=artifact.state,
            )
            .returning(artifacts.c.artifact_id)
        )
        return replace(artifact, artifact_id=self._connection.execute(new).scalar_one())

    def save(self, artifact: ArtifactRecord) -> None:
        changed = (
            update(artifacts)
            .where(artifacts.c.artifact_id == artifact.artifact_id)
            .values(size_bytes=artifact.size_bytes, lines=artifact.lines, sha256=artifact.sha256, state=artifact.state)
        )
        if self._connection.execute(changed).rowcount != 1:
            raise StorageError(
                f"{self._scope.place}: artifact {artifact.name!r} is not stored yet; nothing was written, "
                "please report this"
            )

    def get(self, artifact_ids: Collection[int]) -> Sequence[ArtifactRecord]:
        found: list[ArtifactRecord] = []
        for ids in in_slices(sorted(set(artifact_ids))):
            rows = self._connection.execute(_RECORDS.where(artifacts.c.artifact_id.in_(ids)))
            found += [_record(row) for row in rows]
        return found

    def of_run(self, run_id: str) -> Sequence[ArtifactRecord]:
        key = self._scope.run_key(run_id)
        rows = _RECORDS.where(artifacts.c.run_key == key).order_by(artifacts.c.artifact_id)
        return [_record(row) for row in self._connection.execute(rows)]


def _record(row: Sequence[Any]) -> ArtifactRecord:
    return ArtifactRecord(*row)
