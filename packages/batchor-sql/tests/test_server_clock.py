from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from batchor_core.errors import StorageUnavailableError
from batchor_sql.server_clock import MAX_AGE_S, ServerClock

_LOCAL = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
_AHEAD = timedelta(minutes=7)
"""How far the server's clock is ahead of this machine's."""


@dataclass
class World:
    """A server and this machine, whose clocks are moved by hand."""

    passed_s: float = 0.0
    monotonic_s: float = 100.0
    way_s: float = 0.0
    asked: int = 0
    is_down: bool = False

    def pass_time(self, seconds: float) -> None:
        self.passed_s += seconds
        self.monotonic_s += seconds

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: its monotonic clock stands still."""
        self.passed_s += seconds

    @property
    def local(self) -> datetime:
        return _LOCAL + timedelta(seconds=self.passed_s)

    @property
    def server(self) -> datetime:
        return self.local + _AHEAD

    def ask(self) -> tuple[int, float]:
        if self.is_down:
            raise StorageUnavailableError("down")
        self.asked += 1
        self.pass_time(self.way_s / 2)
        micros = (self.server - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        self.pass_time(self.way_s / 2)
        return micros, self.way_s


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock(world: World) -> ServerClock:
    return ServerClock(world.ask, monotonic=lambda: world.monotonic_s)


def test_the_time_is_the_servers(world: World, clock: ServerClock) -> None:
    assert clock.now(world.local) == world.server


def test_it_goes_on_without_asking(world: World, clock: ServerClock) -> None:
    clock.now(world.local)
    world.pass_time(MAX_AGE_S / 2)
    assert clock.now(world.local) == world.server
    assert world.asked == 1


def test_it_is_asked_again_after_its_age(world: World, clock: ServerClock) -> None:
    clock.now(world.local)
    world.pass_time(MAX_AGE_S + 1)
    clock.now(world.local)
    assert world.asked == 2


def test_a_slow_answer_is_taken_for_the_middle_of_its_way(world: World, clock: ServerClock) -> None:
    world.way_s = 2.0
    clock.now(world.local)
    world.way_s = 0.0
    world.pass_time(5)
    assert clock.now(world.local) == world.server
    assert world.asked == 1


def test_it_is_asked_again_after_a_sleep_of_the_machine(world: World, clock: ServerClock) -> None:
    clock.now(world.local)
    world.sleep(3600)
    assert clock.now(world.local) == world.server


def test_it_is_asked_again_when_it_is_in_doubt(world: World, clock: ServerClock) -> None:
    clock.now(world.local)
    clock.doubt()
    clock.now(world.local)
    assert world.asked == 2


def test_a_server_that_does_not_answer_gives_no_time(world: World, clock: ServerClock) -> None:
    world.is_down = True
    with pytest.raises(StorageUnavailableError):
        clock.now(world.local)
    world.is_down = False
    assert clock.now(world.local) == world.server
