"""A small world for whole runs: a provider in memory, a clock that is moved by hand, and processes that can die."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from batchor_core import (
    BatchItem,
    BatchJob,
    BatchRunner,
    ChunkPolicy,
    MemoryArtifactStore,
    MemoryStateStore,
    RecoveryPolicy,
    RetryPolicy,
    Run,
    RunEvent,
    SlicePolicy,
    failpoints,
)
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import StateStore
from batchor_testkit.crash_sweep import Tally
from batchor_testkit.crash_verdict import Harm
from batchor_testkit.fake_clock import FakeClock
from batchor_testkit.fake_provider import FakeProviderConfig, FakeProviderFactory, FakeServer

LEASE_TTL_S = 30.0


@dataclass
class World:
    """What outlives a process: the provider, the state, the artifacts, the time."""

    store: StateStore
    artifacts: ArtifactStore
    clock: FakeClock = field(default_factory=FakeClock)
    events: list[RunEvent] = field(default_factory=list)
    seed: int = 0

    def __post_init__(self) -> None:
        self.server = FakeServer(self.clock, run_time_s=5.0)

    def new_process(self, **options: Any) -> BatchRunner:
        """A runner such as a fresh process would make."""
        self.seed += 1
        defaults: dict[str, Any] = {
            "artifact_store": self.artifacts,
            "clock": self.clock,
            "observer": self.events.append,
            "providers": {"fake": FakeProviderFactory(self.server)},
            "concurrency": 1,
            "lease_ttl_s": LEASE_TTL_S,
            "slice_policy": SlicePolicy(max_rows=4),
            "recovery_policy": RecoveryPolicy(),
            "rng": Random(self.seed),  # noqa: S311  repeatable on purpose
        }
        return BatchRunner(self.store, **{**defaults, **options})

    def outlive_leases(self) -> None:
        self.clock.advance(LEASE_TTL_S + 1)

    @property
    def executed(self) -> list[str]:
        """The custom_ids that the provider executed, in order."""
        return [custom_id for _, custom_id in self.server.ledger]


def make_job(count: int = 10, **options: Any) -> BatchJob[Any, None]:
    """A job of *count* items with prompts `prompt 0`, `prompt 1`, … in batches of at most 4."""
    defaults: dict[str, Any] = {
        "items": [BatchItem(f"item-{n}", f"prompt {n}", {"n": n}) for n in range(count)],
        "build_prompt": lambda item: item.payload,
        "provider_config": FakeProviderConfig(),
        "chunk_policy": ChunkPolicy(max_requests=4),
        "retry_policy": RetryPolicy(max_attempts=3, base_backoff_s=10, max_backoff_s=60),
    }
    return BatchJob(**{**defaults, **options})


def counts_agree(store: StateStore, run: Run[Any]) -> bool:
    """Whether the run's counters are what the facts give."""
    with store.reading() as uow:
        return uow.items.recount(run.run_id) == uow.runs.get(run.run_id).counts


@pytest.fixture
def world() -> World:
    return World(MemoryStateStore(), MemoryArtifactStore())


@pytest.fixture
def job() -> Callable[..., BatchJob[Any, None]]:
    return make_job


@pytest.fixture
def agree() -> Callable[[StateStore, Run[Any]], bool]:
    return counts_agree


@pytest.fixture(autouse=True)
def _no_failpoint_is_left_armed() -> Iterator[None]:
    yield
    failpoints.disarm()
    failpoints.observe(None)


CRASH_TALLY = "crash_tally"
"""The property of a report that holds a crash test's tally."""


def pytest_configure(config: pytest.Config) -> None:
    # Here and not beside the crash tests: the process that prints does not load their conftest when others run them.
    config.pluginmanager.register(CrashTable(), "crash-table")


class CrashTable:
    """Collects tallies from reports, and prints them."""

    def __init__(self) -> None:
        self._rows: dict[str, Tally] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        recorded: list[Any] = [value for key, value in report.user_properties if key == CRASH_TALLY]
        if report.when != "call":
            return
        for name, died_at, lives, kills, harms in recorded:
            counted = Counter({Harm(harm): number for harm, number in harms.items()})
            tally = Tally(name, set(died_at), lives, kills, counted)
            self._rows.setdefault(name, Tally(name)).merge(tally)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._rows:
            return
        total = Tally("total")
        for tally in self._rows.values():
            total.merge(tally)
        terminalreporter.section("crash points x profiles x seeds")
        terminalreporter.line(_line("profile", "points", "lives", "kills", *Harm))
        for tally in (*self._rows.values(), total):
            terminalreporter.line(_row(tally))
        if not total.harms:
            bound = f"less than 3/{total.lives} = {3 / total.lives:.3%} of lives are harmed"
            terminalreporter.line(f"no harm in {total.lives} lives: {bound}, with 95 % confidence")


def _row(tally: Tally) -> str:
    harms = (tally.harms[harm] for harm in Harm)
    return _line(tally.name, *map(str, (len(tally.died_at), tally.lives, tally.kills, *harms)))


def _line(name: str, *cells: str) -> str:
    return name.ljust(24) + "".join(cell.rjust(14) for cell in cells)
