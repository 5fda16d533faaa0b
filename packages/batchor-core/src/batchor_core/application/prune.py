"""Prune: remove a finished run's files; its results stay readable."""

from dataclasses import dataclass, replace

from batchor_core.application.context import Services
from batchor_core.domain.events import EventType
from batchor_core.domain.run import RunRecord
from batchor_core.errors import NotExportedError, RunNotFinishedError
from batchor_core.failpoints import around
from batchor_core.ports.state_records import ArtifactKind

_CALL = "prune_artifacts()"


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

    Whether it may is decided under the run's lock: another process may reopen the run at any moment.
    The state forgets the files before they are deleted; what a crash leaves in between is swept the next time.
    """
    with around("prune.record"), services.store.transaction() as uow:
        run = uow.runs.lock(run_id)
        _refuse(run, include_raw=include_raw)
        artifacts = [record for record in uow.artifacts.of_run(run_id) if record.state != "pruned"]
        chosen = [record for record in artifacts if include_raw or record.kind is ArtifactKind.REQUEST]
        for record in chosen:
            uow.artifacts.save(replace(record, state="pruned"))
        data = {"artifacts": len(chosen), "bytes": sum(record.size_bytes for record in chosen)}
        event = services.event(run_id, EventType.ARTIFACTS_PRUNED, data)
        uow.events.append([event])
    deleted = {record.name for record in chosen}
    kept = {record.name for record in artifacts} - deleted
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


def _refuse(run: RunRecord, *, include_raw: bool) -> None:
    if not run.is_finished:
        raise RunNotFinishedError(run.run_id, call=_CALL, open_items=run.counts.open)
    if include_raw and run.exported_at is None:
        raise NotExportedError(run.run_id)
