"""Results while a run goes on, bundles of a finished run, and what is left after pruning."""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchor_core import ArtifactPolicy
from batchor_core.application.bundle import verify_bundle
from batchor_core.domain.job import BatchJob
from batchor_core.errors import ArtifactError, NotExportedError, RunNotFinishedError
from batchor_core.ports.state_records import ArtifactKind, ArtifactRecord

type MakeJob = Callable[..., BatchJob[Any, None]]


def exported_ids(path: Path) -> list[str]:
    return [json.loads(line)["item_id"] for line in path.read_bytes().splitlines()]


def test_results_are_exported_in_the_order_in_which_they_ended(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(10))
    export = run.export_terminal_results(tmp_path / "out.jsonl", limit=4)
    assert (export.exported_count, export.next_after_sequence) == (4, 4)
    rest = run.export_terminal_results(tmp_path / "out.jsonl", after_sequence=4, append=True)
    assert rest.exported_count == 6
    assert sorted(exported_ids(tmp_path / "out.jsonl")) == sorted(f"item-{n}" for n in range(10))


def test_an_append_after_a_crash_cuts_half_a_line_off_and_doubles_nothing(
    world: Any, job: MakeJob, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    run = world.new_process().run_and_wait(job(10))
    run.export_terminal_results(path, limit=5)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:30])
    export = run.export_terminal_results(path, after_sequence=2, append=True)
    assert export.exported_count == 5
    assert len(set(exported_ids(path))) == len(exported_ids(path)) == 10


def test_a_file_of_half_a_line_becomes_a_file_of_whole_lines(world: Any, job: MakeJob, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"item_id": "it')
    run = world.new_process().run_and_wait(job(3))
    run.export_terminal_results(path, append=True)
    assert len(exported_ids(path)) == 3


def test_exports_are_for_their_owner_alone(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3))
    for append in (False, True):
        path = tmp_path / f"{append}.jsonl"
        run.export_terminal_results(path, append=append)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_export_to_an_impossible_place_says_so(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3))
    with pytest.raises(ArtifactError, match="give another path"):
        run.export_terminal_results(tmp_path / "no" / "such" / "folder.jsonl")


def test_a_bundle_holds_everything_and_verifies(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(10), run_id="kept")
    export = run.export_artifacts(tmp_path)
    manifest = json.loads((tmp_path / "kept" / "manifest.json").read_bytes())
    assert export.path == tmp_path / "kept"
    assert manifest["run_id"] == "kept"
    kinds = [Path(file["path"]).parts[0] for file in manifest["files"]]
    assert (kinds.count("requests"), kinds.count("outputs"), kinds.count("results.jsonl")) == (3, 3, 1)
    for file in manifest["files"]:
        content = (export.path / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert verify_bundle(export.path) == []
    assert len(exported_ids(export.path / "results.jsonl")) == 10


@pytest.mark.parametrize("damage", ["changed", "cut", "removed", "added"])
def test_a_damaged_bundle_is_found_out(world: Any, job: MakeJob, tmp_path: Path, damage: str) -> None:
    bundle = world.new_process().run_and_wait(job(3), run_id="kept").export_artifacts(tmp_path).path
    results = bundle / "results.jsonl"
    content = results.read_bytes()
    match damage:
        case "changed":
            results.write_bytes(content.replace(b"echo", b"ohce"))
        case "cut":
            results.write_bytes(content[:-10])
        case "removed":
            results.unlink()
        case _:
            (bundle / "extra.txt").write_text("x")
    (fault,) = verify_bundle(bundle)
    assert ("extra.txt" if damage == "added" else "results.jsonl") in fault


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a\0b", "a" * 5_000, "\ud800", 7, None])
def test_a_manifest_cannot_lead_out_of_its_bundle(world: Any, job: MakeJob, tmp_path: Path, path: object) -> None:
    bundle = world.new_process().run_and_wait(job(3), run_id="kept").export_artifacts(tmp_path).path
    change_first_path(bundle, path)
    assert any("is not the path of a file in a bundle" in fault for fault in verify_bundle(bundle))


def test_a_link_cannot_lead_out_of_its_bundle(world: Any, job: MakeJob, tmp_path: Path) -> None:
    bundle = world.new_process().run_and_wait(job(3), run_id="kept").export_artifacts(tmp_path).path
    (bundle / "outside").symlink_to(tmp_path)
    change_first_path(bundle, "outside/secret")
    assert any("leads out of the bundle" in fault for fault in verify_bundle(bundle))


def test_a_manifest_of_another_shape_is_refused(world: Any, job: MakeJob, tmp_path: Path) -> None:
    bundle = world.new_process().run_and_wait(job(3), run_id="kept").export_artifacts(tmp_path).path
    change_first_path(bundle, ["results.jsonl"])
    with pytest.raises(ArtifactError, match="no readable manifest"):
        verify_bundle(bundle)


def change_first_path(bundle: Path, path: object) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["files"][0]["path"] = path
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_the_folders_of_an_export_are_for_their_owner_alone(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3), run_id="kept")
    former = os.umask(0)
    try:
        bundle = run.export_artifacts(tmp_path / "all" / "bundles").path
    finally:
        os.umask(former)
    folders = [tmp_path / "all", tmp_path / "all" / "bundles", bundle, bundle / "requests"]
    assert {oct(folder.stat().st_mode & 0o777) for folder in folders} == {"0o700"}


def test_a_name_of_a_damaged_database_becomes_no_path(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3), run_id="kept")
    with world.store.transaction() as uow:
        uow.artifacts.add(ArtifactRecord(0, "kept", ArtifactKind.OUTPUT, "kept/a\0b", state="complete"))
    with pytest.raises(ArtifactError, match="is not an artifact name"):
        run.export_artifacts(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_by_the_next_export(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3), run_id="kept")
    run.export_artifacts(tmp_path)
    run.export_artifacts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert verify_bundle(tmp_path / "kept") == []


def test_only_finished_runs_are_bundled_and_pruned(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().start(job(3))
    with pytest.raises(RunNotFinishedError, match=r"export_artifacts\(\)"):
        run.export_artifacts(tmp_path)
    with pytest.raises(RunNotFinishedError, match=r"prune_artifacts\(\)"):
        run.prune_artifacts()
    assert list(tmp_path.iterdir()) == []


def test_raw_answers_are_pruned_only_after_an_export(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3))
    before = list(world.artifacts.names(""))
    with pytest.raises(NotExportedError):
        run.prune_artifacts(include_raw_output_artifacts=True)
    assert list(world.artifacts.names("")) == before
    run.export_artifacts(tmp_path)
    report = run.prune_artifacts(include_raw_output_artifacts=True)
    assert len(report.deleted) == len(before)
    assert list(world.artifacts.names("")) == []


def test_results_stay_readable_after_pruning(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3))
    run.export_artifacts(tmp_path)
    run.prune_artifacts(include_raw_output_artifacts=True)
    assert [result.output_text for result in run.results()] == [f"echo: prompt {n}" for n in range(3)]
    assert run.results()[0].raw_response is None


def test_pruning_leaves_raw_answers_unless_told(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(3))
    run.prune_artifacts()
    assert run.results()[0].raw_response["text"] == "echo: prompt 0"


def test_what_a_crash_left_is_swept(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(3))
    tag = next(iter(world.artifacts.names(""))).partition("/")[0]
    with world.artifacts.create(f"{tag}/orphan.jsonl") as writer:
        writer.write(b"left by a crash")
    assert run.prune_artifacts().swept == (f"{tag}/orphan.jsonl",)


def test_raw_answers_need_not_be_kept(world: Any, job: MakeJob) -> None:
    policy = ArtifactPolicy(persist_raw_output_artifacts=False)
    run = world.new_process().run_and_wait(job(10, artifact_policy=policy))
    assert not [name for name in world.artifacts.names("") if "output" in name]
    assert run.results()[0].output_text == "echo: prompt 0"
    assert run.results()[0].raw_response is None


def test_files_at_the_provider_are_deleted_by_option(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(10, artifact_policy=ArtifactPolicy(delete_provider_files=True)))
    assert world.server.files == {}
    assert len(run.results()) == 10


def test_a_changed_artifact_is_not_exported(world: Any, job: MakeJob, tmp_path: Path) -> None:
    run = world.new_process().run_and_wait(job(3))
    name = next(name for name in world.artifacts.names("") if "output" in name)
    content = world.artifacts.read(name, offset=0, length=world.artifacts.size(name))
    with world.artifacts.create(name) as writer:
        writer.write(content.replace(b"echo", b"ohce"))
    with pytest.raises(ArtifactError, match="hash differs"):
        run.export_artifacts(tmp_path)
    assert list(tmp_path.iterdir()) == []
