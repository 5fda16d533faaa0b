"""A worker that sleeps for longer than its lease and wakes up late (SIGSTOP, a closed lid) harms nothing.

It is frozen at hit 1, 2, 3, … of all failpoints, until a run completes without; another worker takes over meanwhile.
"""

import os
from collections.abc import Callable, Mapping, Sequence

import pytest

from batchor_testkit.crash_sweep import Tally, sweep_freezes
from batchor_testkit.fault_profiles import PROFILES, FaultProfile

SEEDS: Mapping[str, Sequence[int]] = {"calm": (1,), "act_then_drop": (0,), "lurking_create": (2,)}
"""In a short run; seeds 1 and 2 delete what is of no use any more."""
IS_SOAK = os.environ.get("BATCHOR_SOAK", "") not in {"", "0"}
SOAK_SEEDS = range(4)
SOAK_TURNS = (0, 1, 3, 5, 9)


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("turns", [None, 2], ids=["to_the_end", "for_two_turns"])
@pytest.mark.parametrize(
    "profile", [profile for profile in PROFILES if IS_SOAK or profile.name in SEEDS], ids=lambda profile: profile.name
)
def test_a_worker_that_was_frozen_at_any_step_harms_nothing_when_it_wakes(
    print_in_table: Callable[[Tally], None], profile: FaultProfile, turns: int | None
) -> None:
    tally = Tally("a frozen worker")
    for seed in SOAK_SEEDS if IS_SOAK else SEEDS[profile.name]:
        for number in (turns, *(SOAK_TURNS if IS_SOAK and turns is not None else ())):
            tally.merge(sweep_freezes(profile, seed, turns=number))
    print_in_table(tally)
    assert tally.notes == []
    assert {"submit.create.before", "collect.download.after", "ingest.sync_segment.before"} <= tally.died_at
