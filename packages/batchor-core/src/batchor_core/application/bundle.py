"""Bundles: all files of a finished run, copied out with a manifest, and checked against it."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from batchor_core.application.byte_range import pieces
from batchor_core.application.context import Services
from batchor_core.application.line_file import replace_lines
from batchor_core.domain.artifact_name import check_artifact_name, is_artifact_name
from batchor_core.domain.events import EventType
from batchor_core.domain.run import RunRecord
from batchor_core.errors import ArtifactError, RunNotFinishedError
from batchor_core.failpoints import around
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state_records import ArtifactKind, ArtifactRecord
from batchor_core.private_folder import make_private_folder

MANIFEST = "manifest.json"
RESULTS = "results.jsonl"
_FOLDERS: Mapping[ArtifactKind, str] = {
    ArtifactKind.REQUEST: "requests",
    ArtifactKind.OUTPUT: "outputs",
    ArtifactKind.ERROR: "errors",
}


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a bundle, as its manifest lists it; `path` is relative to the bundle."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArtifactExport:
    """What was exported, and where."""

    path: Path
    files: tuple[BundleFile, ...]


def export_bundle(
    services: Services, run_id: str, destination: Path, *, result_lines: Iterator[bytes]
) -> ArtifactExport:
    """Copy a finished run's files to `destination/run_id`, checked against their stored hashes; whole or not at all."""
    run, artifacts = finished_run(services, run_id, call="export_artifacts()")
    target = destination / run_id
    work = destination / f".{run_id}.{services.rng.getrandbits(64):016x}.tmp"
    try:
        make_private_folder(destination)
        work.mkdir(mode=0o700)
        files = [_results_file(work, result_lines)]
        files += [_copy(services.artifacts, record, work) for record in artifacts if record.state == "complete"]
        _write_manifest(work, run, files)
        _move_into_place(work, target)
    except OSError as error:
        raise ArtifactError(
            f"{target} cannot be written ({error.strerror}); nothing was exported; give another folder"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _record_export(services, run_id, target)
    return ArtifactExport(target, tuple(files))


def finished_run(services: Services, run_id: str, *, call: str) -> tuple[RunRecord, list[ArtifactRecord]]:
    """A run and its artifacts; `RunNotFinishedError` before its end."""
    with services.store.reading() as uow:
        run = uow.runs.get(run_id)
        artifacts = list(uow.artifacts.of_run(run_id))
    if not run.is_finished:
        raise RunNotFinishedError(run_id, call=call, open_items=run.counts.open)
    return run, artifacts


def verify_bundle(bundle: Path) -> list[str]:
    """What is wrong with a bundle, a line for each fault; empty when every file is as its manifest says."""
    try:
        manifest: dict[str, Any] = json.loads((bundle / MANIFEST).read_bytes())
        files = [BundleFile(**file) for file in manifest["files"]]
        listed = {MANIFEST, *(file.path for file in files)}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{bundle} has no readable {MANIFEST} ({error}); export the run again") from error
    faults = [fault for file in files if (fault := _fault_of(bundle, file)) is not None]
    found = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if not path.is_dir()}
    return [*faults, *(f"{extra}: is not in the manifest" for extra in sorted(found - listed))]


def _fault_of(bundle: Path, file: BundleFile) -> str | None:
    if not is_artifact_name(file.path):
        return f"{file.path!r}: is not the path of a file in a bundle"
    path = bundle / file.path
    if path.is_symlink() or not path.resolve().is_relative_to(bundle.resolve()):
        return f"{file.path}: leads out of the bundle"
    if not path.is_file():
        return f"{file.path}: is missing"
    described = _described(bundle, path)
    if described.size_bytes != file.size_bytes:
        return f"{file.path}: has {described.size_bytes} bytes, the manifest says {file.size_bytes}"
    return None if described.sha256 == file.sha256 else f"{file.path}: its content is not what was exported"


def _results_file(work: Path, lines: Iterator[bytes]) -> BundleFile:
    replace_lines(work / RESULTS, lines)
    return _described(work, work / RESULTS)


def _copy(artifacts: ArtifactStore, record: ArtifactRecord, work: Path) -> BundleFile:
    folder = work / _FOLDERS[record.kind]
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / check_artifact_name(record.name).rpartition("/")[2]
    with artifacts.open(record.name) as content:
        # Only what is committed: the object of a segment that a crash ended may be longer.
        replace_lines(path, pieces(content, name=record.name, offset=0, length=record.size_bytes))
    copied = _described(work, path)
    if record.sha256 is not None and copied.sha256 != record.sha256:
        raise ArtifactError(
            f"the artifact {record.name!r} is not what was stored (its hash differs); restore it from a backup"
        )
    return copied


def _described(bundle: Path, path: Path) -> BundleFile:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return BundleFile(str(path.relative_to(bundle)), path.stat().st_size, sha256)


def _write_manifest(work: Path, run: RunRecord, files: list[BundleFile]) -> None:
    manifest = {
        "format": 1,
        "run_id": run.run_id,
        "status": run.status.value,
        "created_at": run.created_at.isoformat(),
        "finished_at": None if run.finished_at is None else run.finished_at.isoformat(),
        "items": asdict(run.counts),
        "usage": asdict(run.usage),
        "config": run.config,
        "source": run.ingest.source,
        "files": [asdict(file) for file in files],
    }
    replace_lines(work / MANIFEST, [json.dumps(manifest, indent=2).encode() + b"\n"])


def _move_into_place(work: Path, target: Path) -> None:
    """Put the new bundle where the old one, if any, was; a crash in between leaves one of them beside it."""
    former = work.with_suffix(".old")
    with around("bundle.replace"):
        if target.exists():
            target.rename(former)
        work.rename(target)
    shutil.rmtree(former, ignore_errors=True)


def _record_export(services: Services, run_id: str, target: Path) -> None:
    event = services.event(run_id, EventType.ARTIFACTS_EXPORTED, {"path": str(target)})
    with around("bundle.record"), services.store.transaction() as uow:
        run = uow.runs.lock(run_id)
        uow.runs.save(replace(run, exported_at=services.now()))
        uow.events.append([event])
    services.emit(event)
