"""Files that somebody deleted, cut or changed: an error that names them, and nothing recorded that isn't true."""

from collections.abc import Callable
from typing import Any

import pytest

from batchor_core import failpoints
from batchor_core.domain.job import BatchJob
from batchor_core.errors import ArtifactError, ArtifactNotFoundError
from batchor_core.failpoints import InjectedCrash

type MakeJob = Callable[..., BatchJob[Any, None]]


@pytest.fixture
def unsent(world: Any, job: MakeJob) -> Any:
    """A run whose requests are stored and could not be sent yet."""
    world.server.down = True
    run = world.new_process().start(job(4), run_id="damaged")
    world.server.down = False
    world.outlive_leases()
    return run


def segment_of(world: Any) -> str:
    return next(name for name in world.artifacts.names("") if "requests" in name)


def test_a_deleted_segment_is_named_and_nothing_is_sent(world: Any, unsent: Any, agree: Callable[..., bool]) -> None:
    name = segment_of(world)
    world.artifacts.delete(name)
    with pytest.raises(ArtifactNotFoundError, match=name):
        unsent.wait()
    assert unsent.summary().counts.queued_local == 4
    assert not world.server.batches
    assert agree(world.store, unsent)


def test_a_segment_that_comes_back_lets_the_run_go_on(world: Any, unsent: Any) -> None:
    name = segment_of(world)
    content = world.artifacts.read(name, offset=0, length=world.artifacts.size(name))
    world.artifacts.delete(name)
    with pytest.raises(ArtifactNotFoundError):
        unsent.wait()
    with world.artifacts.create(name) as writer:
        writer.write(content)
    world.outlive_leases()
    assert len(unsent.wait().results()) == 4


def test_a_cut_segment_is_named_and_nothing_is_sent(world: Any, unsent: Any, agree: Callable[..., bool]) -> None:
    name = segment_of(world)
    content = world.artifacts.read(name, offset=0, length=world.artifacts.size(name))
    with world.artifacts.create(name) as writer:
        writer.write(content[:-20])
    with pytest.raises(ArtifactError, match=name):
        unsent.wait()
    assert not world.server.batches
    assert agree(world.store, unsent)


@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_an_output_that_was_lost_after_its_download_is_fetched_again_and_nothing_is_bought_twice(
    world: Any, job: MakeJob, agree: Callable[..., bool], damage: str
) -> None:
    failpoints.arm("collect.record_download.after")
    with pytest.raises(InjectedCrash):
        world.new_process().run_and_wait(job(4), run_id="damaged")
    name = next(name for name in world.artifacts.names("") if "output" in name)
    content = world.artifacts.read(name, offset=0, length=world.artifacts.size(name))
    world.artifacts.delete(name)
    if damage == "cut":
        with world.artifacts.create(name) as writer:
            writer.write(content[: len(content) // 2])
    world.outlive_leases()
    run = world.new_process().run_and_wait(job(4), run_id="damaged")
    assert [result.output_text for result in run.results()] == [f"echo: prompt {n}" for n in range(4)]
    assert len(world.executed) == 4
    assert agree(world.store, run)
