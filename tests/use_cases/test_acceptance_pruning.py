"""Pruning beside everything else that may happen to a run at the same time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchor_core import ArtifactPolicy, failpoints
from batchor_core.domain.job import BatchJob
from batchor_core.errors import NotExportedError, RunNotFinishedError, StateError

type MakeJob = Callable[..., BatchJob[Any, None]]


def names(world: Any) -> list[str]:
    return list(world.artifacts.names(""))


def failed_run(world: Any, job: MakeJob) -> Any:
    world.server.answer = lambda _: {"outcome": "refused", "text": "no"}
    run = world.new_process().run_and_wait(job(4))
    world.server.answer = lambda prompt: {"text": prompt}
    return run


def at(place: str, then: Callable[[], object]) -> None:
    """Let *then* happen once, at a failpoint: what another process does at that moment."""

    def observer(name: str) -> None:
        if name == place:
            failpoints.observe(None)
            then()

    failpoints.observe(observer)


def test_items_whose_requests_were_pruned_do_not_begin_again(
    world: Any, job: MakeJob, agree: Callable[..., bool]
) -> None:
    run = failed_run(world, job)
    run.prune_artifacts()
    with pytest.raises(StateError, match="were pruned"):
        run.retry()
    assert run.is_finished
    assert run.summary().counts.failed_permanent == 4
    assert [result.error.error_class for result in run.results()] == ["refused"] * 4
    assert agree(world.store, run)


def test_a_run_that_is_reopened_while_it_is_pruned_keeps_its_requests(world: Any, job: MakeJob) -> None:
    run = failed_run(world, job)
    before = names(world)
    at("prune.record.before", run.retry)
    with pytest.raises(RunNotFinishedError):
        run.prune_artifacts()
    assert names(world) == before
    assert [result.output_text for result in run.wait().results()] == [f"prompt {n}" for n in range(4)]


def test_raw_answers_of_a_run_that_ended_anew_need_an_export_of_their_own(
    world: Any, job: MakeJob, tmp_path: Path
) -> None:
    run = failed_run(world, job)
    run.export_artifacts(tmp_path)
    run.retry()
    run.wait()
    before = names(world)
    with pytest.raises(NotExportedError):
        run.prune_artifacts(include_raw_output_artifacts=True)
    assert names(world) == before


def test_a_raw_file_that_a_late_worker_made_anew_is_swept_by_pruning(world: Any, job: MakeJob) -> None:
    run = world.new_process().run_and_wait(job(4, artifact_policy=ArtifactPolicy(persist_raw_output_artifacts=False)))
    (request_file,) = names(world)
    late = f"{request_file.partition('/')[0]}/output-00000001.jsonl"
    with world.artifacts.create(late) as writer:
        writer.write(b"late")
    report = run.prune_artifacts()
    assert (report.deleted, report.swept) == ((request_file,), (late,))
    assert names(world) == []


def test_pruning_that_died_before_the_files_were_deleted_is_done_by_the_next(world: Any, job: MakeJob) -> None:
    run = failed_run(world, job)
    failpoints.arm("prune.delete.before")
    with pytest.raises(failpoints.InjectedCrash):
        run.prune_artifacts()
    (left,) = [name for name in names(world) if "requests" in name]
    assert run.prune_artifacts().swept == (left,)
    assert not [name for name in names(world) if "requests" in name]


def test_what_a_crash_left_is_gone_after_pruning(world: Any, job: MakeJob) -> None:
    run = failed_run(world, job)
    tag = names(world)[0].partition("/")[0]
    for orphan in (f"{tag}/requests-0000000000-9.jsonl", f"{tag}/output-00000077.jsonl"):
        with world.artifacts.create(orphan) as writer:
            writer.write(b"left by a crash")
    run.prune_artifacts()
    assert names(world) == [f"{tag}/output-00000001.jsonl"]
