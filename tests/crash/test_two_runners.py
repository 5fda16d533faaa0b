"""Two or three workers on one run, taking turns at random: they die, sleep through their lease, and contradict each other."""

import os
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchor_core import Run, RunControlState
from batchor_core.failpoints import InjectedCrash, arm, disarm
from batchor_testkit.crash_life import RUN_ID, Life, interrupted_at
from batchor_testkit.crash_sweep import verdict_on
from batchor_testkit.fault_profiles import profile_named

IS_SOAK = os.environ.get("BATCHOR_SOAK", "") not in {"", "0"}
NAMES = ("calm", "act_then_drop", "list_lag", "lurking_create", "expired_halfway", "second_answers", "storm")


@dataclass(frozen=True)
class Turn:
    """One cycle of a worker."""

    worker: int


@dataclass(frozen=True)
class Death:
    """A cycle in which the worker dies at a failpoint, if it passes so many; a fresh process takes its place."""

    worker: int
    hit: int
    power_loss: bool


@dataclass(frozen=True)
class Sleep:
    """A cycle in which the worker is frozen at a failpoint while others act."""

    worker: int
    hit: int
    meanwhile: "list[Action]"


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True)
class Control:
    """An operator interferes."""

    order: str


type Action = Turn | Death | Sleep | Wait | Control

WORKER = st.integers(0, 2)
HIT = st.integers(1, 14)
SIMPLE = st.one_of(
    st.builds(Turn, WORKER),
    st.builds(Turn, WORKER),
    st.builds(Death, WORKER, HIT, st.booleans()),
    st.builds(Wait, st.sampled_from([1.0, 1.0, 6.0, 31.0, 130.0])),
    st.builds(Control, st.sampled_from(["pause", "resume", "resume", "cancel"])),
)
ACTION = st.one_of(SIMPLE, SIMPLE, st.builds(Sleep, WORKER, HIT, st.lists(SIMPLE, min_size=1, max_size=8)))


@dataclass
class Crew:
    """The workers of one life. A power loss takes the sleeping ones along, too."""

    life: Life
    runs: dict[int, Run[Any]] = field(default_factory=dict)
    asleep: set[int] = field(default_factory=set)

    def do(self, action: Action) -> None:
        match action:
            case Turn(worker):
                self.turn(worker)
            case Death(worker, hit, power_loss):
                # Who sleeps has files open on a medium that is still there.
                self.die(worker, hit, power_loss=power_loss and not self.asleep)
            case Sleep(worker, hit, meanwhile):
                self.sleep(worker, hit, meanwhile)
            case Wait(seconds):
                self.life.clock.advance(seconds)
            case Control(order):
                getattr(self.life.new_process().get_run(RUN_ID), order)()

    def turn(self, worker: int) -> None:
        if worker not in self.asleep:
            self.run_of(worker).refresh()

    def die(self, worker: int, hit: int, *, power_loss: bool) -> None:
        if worker in self.asleep:
            return
        run = self.run_of(worker)
        arm("*", hit=hit)
        try:
            run.refresh()
        except InjectedCrash as crash:
            self.runs = {} if power_loss else {other: run for other, run in self.runs.items() if other != worker}
            self.life.deaths.append(str(crash))
            if power_loss:
                self.life.medium.lose_power()
        finally:
            disarm()

    def sleep(self, worker: int, hit: int, meanwhile: list[Action]) -> None:
        run = self.run_of(worker)

        def others_act(_: str) -> None:
            self.asleep.add(worker)
            for action in meanwhile:
                self.do(action)
            self.asleep.discard(worker)

        with interrupted_at(hit, others_act):
            run.refresh()

    def run_of(self, worker: int) -> Run[Any]:
        if worker not in self.runs:
            self.runs[worker] = self.join()
        return self.runs[worker]

    def join(self) -> Run[Any]:
        """A fresh process that has the job and has done nothing yet: `start` returns at once while the run is paused."""
        run = self.life.new_process().get_run(RUN_ID)
        was_running = run.control_state is RunControlState.RUNNING
        run.pause()
        joined = self.life.start()
        if was_running:
            run.resume()
        return joined

    def finish(self) -> None:
        run = self.join()
        run.resume()
        self.life.go_on(run)


def begin(life: Life) -> None:
    """Store the run, and nothing of its input."""
    arm("runner.add_run.after")
    try:
        life.start()
    except InjectedCrash:
        disarm()


@settings(
    max_examples=5_000 if IS_SOAK else 80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 7),
    schedule=st.lists(ACTION, min_size=3, max_size=30),
)
def test_whatever_workers_do_to_each_other_each_item_ends_once(name: str, seed: int, schedule: list[Action]) -> None:
    life = Life(profile_named(name), seed)

    def live() -> None:
        begin(life)
        crew = Crew(life)
        for action in schedule:
            crew.do(action)
        crew.finish()

    assert verdict_on(life, live).notes == []
