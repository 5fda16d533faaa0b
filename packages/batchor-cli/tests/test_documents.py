from dataclasses import replace
from datetime import UTC, datetime, timedelta

from batchor import RunControlState, RunLifecycleStatus, RunSnapshot, RunSummary, StatusCounts, TokenUsage
from batchor_cli.attention import Need
from batchor_cli.documents import estimated_end
from batchor_cli.status_table import status_table

START = datetime(2026, 4, 3, 12, tzinfo=UTC)
NOW = START + timedelta(hours=1)
HALF_DONE = RunSummary(
    run_id="r",
    status=RunLifecycleStatus.RUNNING,
    control_state=RunControlState.RUNNING,
    control_reason=None,
    control_message=None,
    created_at=START,
    finished_at=None,
    ingestion_complete=True,
    counts=StatusCounts(submitted=50, completed=40, failed_permanent=10),
    usage=TokenUsage(),
    batches=2,
    terminal_result_sequence=50,
)


def test_a_run_that_is_half_done_needs_as_long_again() -> None:
    assert estimated_end(HALF_DONE, now=NOW) == NOW + timedelta(hours=1)


def test_nothing_is_estimated_while_nothing_can_be_said() -> None:
    nothing_ended = replace(HALF_DONE, counts=StatusCounts(submitted=100))
    paused = replace(HALF_DONE, control_state=RunControlState.PAUSED)
    still_reading = replace(HALF_DONE, ingestion_complete=False)
    finished = replace(HALF_DONE, finished_at=NOW)
    estimates = [estimated_end(summary, now=NOW) for summary in (nothing_ended, paused, still_reading, finished)]
    assert estimates == [None] * 4


def test_a_paused_run_says_why_and_what_to_do() -> None:
    paused = replace(
        HALF_DONE, control_state=RunControlState.PAUSED, control_reason="auth", control_message="wrong key\x1b[2J"
    )
    table = status_table(RunSnapshot(paused), [Need("paused", "mend it\x1b", "batchor resume r")], now=NOW)
    assert "paused (auth: wrong key\\u001b[2J)" in table
    assert table.endswith("to do      mend it\\u001b\n             batchor resume r")


def test_all_but_one_is_not_100_per_cent() -> None:
    almost = replace(HALF_DONE, counts=StatusCounts(submitted=1, completed=1_999))
    assert "1,999 of 2,000 items completed (99 %)" in status_table(RunSnapshot(almost), [], now=NOW)
