"""Ctrl-C in a program of one's own, at every step of a run: what is left can be taken up, and nothing is bought twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from batchor_core import MemoryArtifactStore, MemoryStateStore, RunLifecycleStatus, failpoints
from batchor_core.domain.job import BatchJob
from batchor_core.errors import RunNotFoundError

type MakeJob = Callable[..., BatchJob[Any, None]]


@dataclass
class CtrlC:
    """Raises `KeyboardInterrupt` at the *hit*-th failpoint that is passed, once."""

    hit: int
    passed: int = 0

    def __call__(self, name: str) -> None:
        self.passed += 1
        if self.passed == self.hit:
            raise KeyboardInterrupt(name)


def test_ctrl_c_at_any_step_leaves_a_run_that_can_be_taken_up(
    world: Any, job: MakeJob, agree: Callable[..., bool]
) -> None:
    hit = 0
    while True:
        hit += 1
        one = type(world)(MemoryStateStore(), MemoryArtifactStore())
        if not interrupted(one, job, hit):
            break
        run = one.new_process().run_and_wait(job(6), run_id="stopped")
        assert run.status is RunLifecycleStatus.COMPLETED
        assert Counter(Counter(one.executed).values()) == {1: 6}
        assert agree(one.store, run)
    assert hit > 30


def interrupted(world: Any, job: MakeJob, hit: int) -> bool:
    """Drive a run until Ctrl-C at *hit*; False when it ended before."""
    failpoints.observe(CtrlC(hit))
    try:
        with world.new_process() as runner:
            runner.run_and_wait(job(6), run_id="stopped")
    except KeyboardInterrupt:
        return True
    finally:
        failpoints.observe(None)
    return False


def test_a_run_that_was_interrupted_before_it_was_stored_is_not_there(world: Any, job: MakeJob) -> None:
    assert interrupted(world, job, 1)
    with pytest.raises(RunNotFoundError):
        world.new_process().get_run("stopped")


def test_after_ctrl_c_the_input_is_read_on_at_once(world: Any, job: MakeJob) -> None:
    failpoints.observe(lambda name: interrupt_at(name, "ingest.sync_segment.before"))
    with pytest.raises(KeyboardInterrupt):
        world.new_process().start(job(6), run_id="stopped")
    failpoints.observe(None)
    before = world.clock.now()
    run = world.new_process().start(job(6), run_id="stopped")
    assert run.summary().ingestion_complete
    assert (world.clock.now() - before).total_seconds() < 1


def interrupt_at(name: str, place: str) -> None:
    if name == place:
        raise KeyboardInterrupt
