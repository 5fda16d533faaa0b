"""What recovery and retention do to files harms nobody: no run is paused for it, and no worker stumbles over it."""

from dataclasses import replace

import pytest

from batchor_testkit.crash_life import Deaths, Life
from batchor_testkit.crash_sweep import verdict_on
from batchor_testkit.fault_profiles import CALM, CallFault

FOUND_LATE = replace(
    CALM, creates=(CallFault.ACT_THEN_DROP,), rate=1.0, at_most=1, list_lag_s=20.0, loses_deleted_input=True
)
"""One create call succeeds without an answer, and its batch is not listed until recovery has deleted its input file."""
TIDY_SEED = 1


def test_a_batch_that_failed_because_recovery_deleted_its_input_is_sent_again_and_pauses_nothing() -> None:
    life = Life(FOUND_LATE)
    assert verdict_on(life, life.live).notes == []
    assert "batch_adopted" in life.events


def test_so_is_one_whose_fence_was_not_recorded_before_the_process_died() -> None:
    life = Life(FOUND_LATE)
    deaths = Deaths((1,), crash_at="recover.delete_input.after")
    assert verdict_on(life, lambda: life.live(deaths)).notes == []
    assert life.deaths == ["recover.delete_input.after"]


@pytest.mark.parametrize("place", ["collect.record_download.after", "collect.apply.before"])
def test_a_worker_that_wakes_up_when_the_raw_file_is_collected_and_dropped_goes_on(place: str) -> None:
    life = Life(CALM, TIDY_SEED)
    assert verdict_on(life, lambda: life.live_with_a_frozen_worker(hit=1, at=place, turns=None)).notes == []
    assert life.frozen_at == [place]
