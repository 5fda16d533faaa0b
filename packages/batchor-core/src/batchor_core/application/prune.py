"""Prune: remove a finished run's files; its results stay readable."""

from dataclasses import dataclass, replace

from batchor_core.application.bundle import finished_run
from batchor_core.application.context import Services
from batchor_core.domain.events import EventType
from batchor_core.errors import NotExportedError
from batchor_core.failpoints import around
from batchor_core.ports.state import ArtifactKind


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was removed."""

    deleted: tuple[str, ...]
    """Artifacts, by name."""
    deleted_bytes: int
    swept: tuple[str, ...]
    """Objects of the run that nothing named: left by a crash."""


def prune(services: Services, run_id: str, *, include_raw: bool) -> PruneReport:
    """Remove request segments, with *include_raw* also raw outputs and errors: those only after an export.

    The state forgets the files before they are deleted; what a crash leaves in between is swept the next time.
    """
    run, artifacts = finished_run(services, run_id, call="prune_artifacts()")
    if include_raw and run.exported_at is None:
        raise NotExportedError(run_id)
    chosen = [
        record
        for record in artifacts
        if record.state != "pruned" and (include_raw or record.kind is ArtifactKind.REQUEST)
    ]
    data = {"artifacts": len(chosen), "bytes": sum(record.size_bytes for record in chosen)}
    event = services.event(run_id, EventType.ARTIFACTS_PRUNED, data)
    with around("prune.record"), services.store.transaction() as uow:
        uow.runs.lock(run_id)
        for record in chosen:
            uow.artifacts.save(replace(record, state="pruned"))
        uow.events.append([event])
    deleted = {record.name for record in chosen}
    kept = {record.name for record in artifacts if record.state != "pruned"} - deleted
    orphans = [name for name in services.artifacts.names(f"{run.tag}/") if name not in kept]
    for name in orphans:
        with around("prune.delete"):
            services.artifacts.delete(name)
    services.emit(event)
    return PruneReport(
        deleted=tuple(sorted(deleted)),
        deleted_bytes=sum(record.size_bytes for record in chosen),
        swept=tuple(name for name in orphans if name not in deleted),
    )
