"""The small guards: names of runs, leases on work, and the places where a test can end the process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from batchor_core import failpoints
from batchor_core.domain.lease import Lease
from batchor_core.domain.run_id import check_run_id, new_run_id
from batchor_core.errors import InvalidRunIdError
from batchor_core.failpoints import InjectedCrash, around, failpoint

NOW = datetime(2026, 4, 3, 12, tzinfo=UTC)
TTL = timedelta(minutes=5)


@pytest.mark.parametrize("run_id", ["a", "0", "batchor_20260403T120000Z_ab12cd34", "A.b-c_d", "x" * 128, "a.b.c"])
def test_a_run_id_of_plain_characters_is_accepted(run_id: str) -> None:
    assert check_run_id(run_id) == run_id


@pytest.mark.parametrize(
    "run_id",
    [
        "",
        "../../x",
        "..",
        ".",
        "a..b",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "C:x",
        "~root",
        ".hidden",
        "-rf",
        "_x",
        "x" * 129,
        "x" * 300,
        "a\0b",
        "run\n",
        "run\r",
        "\nrun",
        "run ",
        " run",
        "run\u2028",
        "é",
        "\uff21",
        "\u0661",
        "a%2fb",
        "a\ud800",
        None,
        7,
        b"run",
        ["run"],
        object(),
    ],
)
def test_any_other_run_id_is_refused(run_id: object) -> None:
    with pytest.raises(InvalidRunIdError, match="is not a run id: use 1 to 128"):
        check_run_id(run_id)


def test_a_refused_run_id_is_shown_shortened_and_escaped() -> None:
    with pytest.raises(InvalidRunIdError) as caught:
        check_run_id("\x1b[31m" + "x" * 10_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_new_run_id_tells_its_time_and_is_valid() -> None:
    run_id = new_run_id(NOW, "ab12cd34ef")
    assert run_id == "batchor_20260403T120000Z_ab12cd34"
    assert check_run_id(run_id) == run_id


def test_new_run_ids_sort_by_time() -> None:
    times = [NOW + timedelta(seconds=seconds) for seconds in (0, 59, 3600, 86_400 * 40)]
    run_ids = [new_run_id(at, "ffffffff" if index % 2 else "00000000") for index, at in enumerate(times)]
    assert run_ids == sorted(run_ids)


def test_a_lease_that_was_never_taken_is_free() -> None:
    assert Lease().is_free(NOW)


def test_a_lease_is_free_from_its_end_on() -> None:
    lease = Lease().taken("w", now=NOW, ttl=TTL)
    assert not lease.is_free(NOW + TTL - timedelta(microseconds=1))
    assert lease.is_free(NOW + TTL)


def test_each_take_over_raises_the_fence() -> None:
    first = Lease().taken("a", now=NOW, ttl=TTL)
    second = first.taken("b", now=NOW + TTL, ttl=TTL)
    assert (first.fence, second.fence, second.owner, second.until) == (1, 2, "b", NOW + 2 * TTL)


def test_a_renewal_moves_the_end_alone() -> None:
    lease = Lease().taken("a", now=NOW, ttl=TTL)
    assert lease.renewed(now=NOW + TTL, ttl=TTL) == Lease("a", NOW + 2 * TTL, 1)


def test_a_released_lease_is_free_and_keeps_its_fence() -> None:
    released = Lease().taken("a", now=NOW, ttl=TTL).released()
    assert released.is_free(NOW)
    assert released.taken("b", now=NOW, ttl=TTL).fence == 2


def test_a_renewal_of_a_released_lease_leaves_it_free() -> None:
    released = Lease().taken("a", now=NOW, ttl=TTL).released()
    assert released.renewed(now=NOW, ttl=TTL).is_free(NOW)


@pytest.fixture(autouse=True)
def no_failpoint_outlives_its_test() -> Iterator[None]:
    yield
    failpoints.disarm()
    failpoints.observe(None)


def test_nothing_happens_at_a_failpoint_that_is_not_armed() -> None:
    failpoints.arm("elsewhere")
    failpoint("here")


def test_an_armed_failpoint_raises_at_its_hit_and_then_no_more() -> None:
    failpoints.arm("here", hit=3)
    failpoint("here")
    failpoint("here")
    with pytest.raises(InjectedCrash, match="here"):
        failpoint("here")
    failpoint("here")


def test_a_star_counts_every_failpoint_that_begins_so() -> None:
    failpoints.arm("submit.*", hit=2)
    failpoint("submit.claim")
    failpoint("ingest.flush")
    with pytest.raises(InjectedCrash, match=r"submit\.upload"):
        failpoint("submit.upload")


def test_a_lone_star_counts_every_failpoint() -> None:
    failpoints.arm("*", hit=2)
    failpoint("a")
    with pytest.raises(InjectedCrash, match="b"):
        failpoint("b")


def test_a_disarmed_failpoint_passes() -> None:
    failpoints.arm("here")
    failpoints.disarm()
    failpoint("here")


def test_an_injected_crash_passes_every_handler_of_exceptions() -> None:
    assert not issubclass(InjectedCrash, Exception)


def test_a_step_is_marked_before_and_after() -> None:
    passed: list[str] = []
    failpoints.observe(passed.append)
    with around("step"):
        passed.append("the step")
    assert passed == ["step.before", "the step", "step.after"]


def test_a_step_that_fails_has_no_after() -> None:
    passed: list[str] = []
    failpoints.observe(passed.append)
    with pytest.raises(ValueError, match="no"), around("step"):
        raise ValueError("no")
    assert passed == ["step.before"]


def test_an_observer_sees_failpoints_until_it_is_taken_away() -> None:
    passed: list[str] = []
    failpoints.observe(passed.append)
    failpoint("first")
    failpoints.observe(None)
    failpoint("second")
    assert passed == ["first"]


def test_a_failpoint_can_make_the_process_wait() -> None:
    failpoints.arm("here", action="sleep=0.05")
    began = time.monotonic()
    failpoint("here")
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(("action", "code"), [("kill", -signal.SIGKILL), ("raise", 1), ("sleep=0", 0)])
def test_the_environment_arms_a_failpoint(action: str, code: int) -> None:
    program = "from batchor_core.failpoints import failpoint\nfailpoint('here')\nprint('once')\nfailpoint('here')"
    environment = {**os.environ, "BATCHOR_FAILPOINT": f"here:2:{action}"}
    ended = subprocess.run(
        [sys.executable, "-u", "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (code, "once\n")
