"""What the crash tests share: whether there is time, and what goes into the table that is printed at the end."""

import logging
import os
from collections.abc import Callable, Iterator

import pytest

from batchor_testkit.crash_sweep import Tally

PROPERTY = "crash_tally"
"""Under this name `tests/conftest.py` finds the tallies in the reports."""


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
