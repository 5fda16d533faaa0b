"""A batch that may exist is not sent again by a process that looks for it in another place."""

from collections.abc import Callable
from typing import Any

import pytest

from batchor_core.domain.job import BatchJob
from batchor_core.errors import RunPausedError
from batchor_core.failpoints import InjectedCrash, arm
from batchor_testkit.fake_provider import FakeProviderFactory, FakeServer

type MakeJob = Callable[..., BatchJob[Any, None]]


def test_a_batch_is_not_sent_again_with_a_key_of_another_project(world: Any, job: MakeJob) -> None:
    _die_after_the_creation(world, job)
    other = FakeServer(world.clock, run_time_s=5.0)
    runner = world.new_process(providers={"fake": FakeProviderFactory(other)})
    with pytest.raises(RunPausedError, match="the key is one of another project"):
        runner.run_and_wait(job(3), run_id="r")
    assert other.create_calls == 0

    run = world.new_process().get_run("r")
    run.resume()
    assert run.wait().summary().counts.completed == 3
    assert len(world.executed) == 3


def test_a_run_whose_upload_was_deleted_goes_on_when_it_is_resumed(world: Any, job: MakeJob) -> None:
    arm("submit.create.before")
    with pytest.raises(InjectedCrash):
        world.new_process().run_and_wait(job(3), run_id="r")
    world.outlive_leases()
    world.server.files.clear()
    runner = world.new_process()
    with pytest.raises(RunPausedError):
        runner.run_and_wait(job(3), run_id="r")
    run = runner.get_run("r")
    run.resume()
    assert run.wait().summary().counts.completed == 3


def _die_after_the_creation(world: Any, job: MakeJob) -> None:
    arm("submit.record_batch.before")
    with pytest.raises(InjectedCrash):
        world.new_process().run_and_wait(job(3), run_id="r")
    world.outlive_leases()
