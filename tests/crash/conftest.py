"""What the crash tests share: whether there is time, and the table that is printed at the end."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batchor_testkit.crash_sweep import Tally
from batchor_testkit.crash_verdict import Harm

PROPERTY = "crash_tally"
ROWS = pytest.StashKey[dict[str, Tally]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = {}
    config.pluginmanager.register(Table(config.stash[ROWS]), "crash-table")


@pytest.fixture(scope="session")
def is_soak() -> bool:
    """Whether there is time for all seeds: `BATCHOR_SOAK=1`."""
    return os.environ.get("BATCHOR_SOAK", "") not in {"", "0"}


@pytest.fixture
def print_in_table(record_property: Callable[[str, object], None]) -> Callable[[Tally], None]:
    """Adds a tally to the table. It goes there with the test's report, which may come from another process."""

    def record(tally: Tally) -> None:
        harms = {harm.value: number for harm, number in tally.harms.items()}
        record_property(PROPERTY, [tally.name, sorted(tally.died_at), tally.lives, tally.kills, harms])

    return record


@pytest.fixture(autouse=True)
def _logs_stay_short() -> Iterator[None]:
    # Thousands of lives tell of each fault that they were given on purpose.
    logger = logging.getLogger("batchor")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


class Table:
    """Collects tallies from reports, and prints them."""

    def __init__(self, rows: dict[str, Tally]) -> None:
        self._rows = rows

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        recorded: list[Any] = [value for key, value in report.user_properties if key == PROPERTY]
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
