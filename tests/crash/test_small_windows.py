"""Output files that are applied in many steps: what is known of a batch's members between them stays true."""

import pytest

from batchor_core.application import output_lines
from batchor_testkit.crash_sweep import sweep, sweep_freezes
from batchor_testkit.fault_profiles import profile_named


@pytest.fixture(autouse=True)
def windows_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_lines, "WINDOW_LINES", 1)


@pytest.mark.parametrize("profile", ["calm", "duplicate_lines", "expired_halfway"])
def test_a_death_between_two_windows_loses_doubles_and_buys_nothing(profile: str) -> None:
    tally = sweep(profile_named(profile), 1, step=3)
    assert tally.notes == []
    assert "collect.apply.after" in tally.died_at


@pytest.mark.parametrize("turns", [1, None])
def test_a_worker_that_is_frozen_between_two_windows_settles_nothing_that_others_have_settled(
    turns: int | None,
) -> None:
    assert sweep_freezes(profile_named("duplicate_lines"), 1, turns=turns).notes == []
