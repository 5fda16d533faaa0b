"""SIGKILL at random moments of whole runs over a network that loses requests and answers.

The emulator's own ledger is the judge: who executed what, how often.
"""

import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batchor_core import BatchRunner, RunLifecycleStatus
from batchor_emulator import EmulatorProcess
from batchor_sqlite import SQLiteStorage

sys.path.insert(0, str(Path(__file__).parent))
from flaky_proxy import flaky_proxy

ROWS = 600
KILLS = int(os.environ.get("BATCHOR_SOAK_KILLS", "200"))
WORKERS = 4
"""Tests that share the kills, so that they run side by side."""
KILLS_A_RUN = 10


@pytest.fixture(scope="module")
def input_path(first_rows: Callable[[int], Path]) -> Path:
    return first_rows(ROWS)


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """Fresh processes that have their imports done already."""
    sys.path.insert(0, str(Path(__file__).parent))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed_process"])
    yield context
    sys.path.remove(str(Path(__file__).parent))


@dataclass(frozen=True)
class Outcome:
    """What a run's items came to, and how often each was executed."""

    results: dict[str, str | None]
    executed: Counter[int]


class Driver:
    """Starts processes that drive one run."""

    def __init__(self, processes: Any, folder: Path, input_path: Path, base_url: str) -> None:
        folder.mkdir()
        self._processes = processes
        self._folder = folder
        self._arguments = (folder, input_path, base_url)

    def run(self) -> None:
        process = self._start()
        process.join(90)
        assert process.exitcode == 0

    def begin_and_kill(self, *, after_s: float) -> bool:
        """Kill a process *after_s* seconds after its start; whether it was still at it."""
        process = self._start()
        process.join(after_s)
        was_at_it = process.exitcode is None
        process.kill()
        process.join()
        return was_at_it

    def outcome(self, emulator: EmulatorProcess) -> Outcome:
        with BatchRunner(SQLiteStorage(path=self._folder / "state.sqlite3")) as runner:
            run = runner.get_run("killed")
            assert run.status is RunLifecycleStatus.COMPLETED
            assert run.audit(ask_provider=False).is_clean
            results = {result.item_id: result.output_text for result in run.results()}
        (artifacts,) = (self._folder / "state_artifacts").iterdir()
        prefix = f"{artifacts.name}-"
        mine = (entry.custom_id for entry in emulator.ledger() if entry.custom_id.startswith(prefix))
        return Outcome(results, Counter(int(custom_id.removeprefix(prefix)) for custom_id in mine))

    def _start(self) -> Any:
        from killed_process import drive

        process = self._processes.Process(target=drive, args=self._arguments)
        process.start()
        return process


ONCE = Counter(dict.fromkeys(range(ROWS), 1))


@dataclass
class Tally:
    """What went wrong in all runs together."""

    kills: int = 0
    runs: int = 0
    lost: int = 0
    """Items without the result of an undisturbed run."""
    bought_twice: int = 0
    """Executions of a request beyond its first."""

    def add(self, outcome: Outcome, expected: Outcome) -> None:
        self.runs += 1
        self.lost += sum(outcome.results.get(item_id) != text for item_id, text in expected.results.items())
        self.bought_twice += (outcome.executed - ONCE).total()


@pytest.mark.parametrize("worker", range(WORKERS))
def test_random_kills_lose_nothing_and_buy_nothing_twice(
    worker: int, processes: Any, emulator: EmulatorProcess, input_path: Path, tmp_path: Path
) -> None:
    undisturbed = Driver(processes, tmp_path / "undisturbed", input_path, emulator.base_url)
    undisturbed.run()
    expected = undisturbed.outcome(emulator)
    assert expected.executed == ONCE
    moments = random.Random(worker)  # noqa: S311  repeatable
    tally = Tally()
    with flaky_proxy(emulator.base_url, seed=worker) as proxy:
        while tally.kills < KILLS / WORKERS:
            killed = Driver(processes, tmp_path / f"run-{tally.runs}", input_path, proxy.base_url)
            tally.kills += sum(killed.begin_and_kill(after_s=moments.uniform(0.05, 0.7)) for _ in range(KILLS_A_RUN))
            killed.run()
            tally.add(killed.outcome(emulator), expected)
        print(tally, dict(proxy.faults))
    assert (tally.lost, tally.bought_twice) == (0, 0)
