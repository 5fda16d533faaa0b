"""The state tables row by row and, where there is no row, refusal by refusal; and the facts' pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from batchor_core.domain import batch, item, run
from batchor_core.domain.batch import BatchEvent, BatchRecord, BatchState, RemoteBatch
from batchor_core.domain.item import ItemEvent, ItemFacts, ItemStatus, StatusCounts, derive_status
from batchor_core.domain.run import (
    ControlEvent,
    IngestState,
    LifecycleEvent,
    RunControlState,
    RunLifecycleStatus,
    RunRecord,
)
from batchor_core.domain.transitions import next_status, terminal_statuses
from batchor_core.errors import IllegalTransitionError

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Specification:
    """One table as the design draws it: `from --event--> to` in words, apart from the code."""

    table: Mapping[Any, Any]
    statuses: type[StrEnum]
    events: type[StrEnum]
    rows: str
    terminal: str

    def expected(self) -> dict[tuple[str, str], str]:
        words = [line.split() for line in self.rows.strip().splitlines()]
        return {(source, event): target for source, event, target in words}


SPECIFICATIONS = {
    "items": Specification(
        item.TRANSITIONS,
        ItemStatus,
        ItemEvent,
        """
        pending          claim    queued_local
        pending          cancel   failed_permanent
        queued_local     release  pending
        queued_local     reject   failed_permanent
        queued_local     submit   submitted
        submitted        succeed  completed
        submitted        fail     failed_retryable
        submitted        reject   failed_permanent
        failed_retryable requeue  pending
        failed_retryable cancel   failed_permanent
        failed_permanent reopen   failed_retryable
        """,
        "completed failed_permanent",
    ),
    "batches": Specification(
        batch.TRANSITIONS,
        BatchState,
        BatchEvent,
        """
        prepared  upload       uploaded
        prepared  abandon      abandoned
        uploaded  send         creating
        uploaded  abandon      abandoned
        creating  acknowledge  submitted
        creating  refuse       uploaded
        creating  fence        fencing
        fencing   acknowledge  submitted
        fencing   abandon      abandoned
        submitted end          ended
        ended     collect      collected
        """,
        "collected abandoned",
    ),
    "runs": Specification(
        run.TRANSITIONS,
        RunLifecycleStatus,
        LifecycleEvent,
        """
        running finish_clean          completed
        running finish_with_failures  completed_with_failures
        completed_with_failures reopen  running
        """,
        "completed completed_with_failures",
    ),
    "control": Specification(
        run.CONTROL_TRANSITIONS,
        RunControlState,
        ControlEvent,
        """
        running          pause   paused
        running          resume  running
        running          cancel  cancel_requested
        paused           pause   paused
        paused           resume  running
        paused           cancel  cancel_requested
        cancel_requested cancel  cancel_requested
        """,
        "",
    ),
}

EVERY_PAIR = [
    pytest.param(spec, status, event, id=f"{name}-{status.value}-{event.value}")
    for name, spec in SPECIFICATIONS.items()
    for status, event in product(spec.statuses, spec.events)
]


@pytest.mark.parametrize(("spec", "status", "event"), EVERY_PAIR)
def test_an_event_leads_where_the_table_says_and_nowhere_else(
    spec: Specification, status: StrEnum, event: StrEnum
) -> None:
    target = spec.expected().get((status.value, event.value))
    if target is None:
        with pytest.raises(IllegalTransitionError, match=f"{status.value}.* by .*{event.value}.*; nothing was written"):
            next_status(spec.table, status, event)
    else:
        assert next_status(spec.table, status, event) is spec.statuses(target)


@pytest.mark.parametrize("spec", list(SPECIFICATIONS.values()), ids=list(SPECIFICATIONS))
def test_nothing_but_an_operators_reopening_leads_on_from_a_terminal_status(spec: Specification) -> None:
    reopening = next((event for event in spec.events if event.value == "reopen"), None)
    terminal = terminal_statuses(spec.statuses, spec.table, but_for=reopening)
    assert terminal == {spec.statuses(word) for word in spec.terminal.split()}


def test_the_modules_name_their_terminal_statuses() -> None:
    assert {ItemStatus.COMPLETED, ItemStatus.FAILED_PERMANENT} == item.TERMINAL
    assert {BatchState.COLLECTED, BatchState.ABANDONED} == batch.TERMINAL
    assert {RunLifecycleStatus.COMPLETED, RunLifecycleStatus.COMPLETED_WITH_FAILURES} == run.TERMINAL


@pytest.mark.parametrize("spec", list(SPECIFICATIONS.values()), ids=list(SPECIFICATIONS))
def test_every_status_is_reached_from_the_first(spec: Specification) -> None:
    reached = {next(iter(spec.statuses))}
    for _ in spec.statuses:
        reached |= {target for (source, _), target in spec.table.items() if source in reached}
    assert reached == set(spec.statuses)


QUEUED = {BatchState.PREPARED, BatchState.UPLOADED, BatchState.CREATING, BatchState.FENCING}
AT_PROVIDER = {BatchState.SUBMITTED, BatchState.ENDED}


@pytest.mark.parametrize("result", [ItemStatus.COMPLETED, ItemStatus.FAILED_PERMANENT])
@pytest.mark.parametrize("awaits_retry", [True, False])
@pytest.mark.parametrize("state", [None, *BatchState])
def test_a_result_decides_whatever_else_is_stored(
    result: ItemStatus, awaits_retry: bool, state: BatchState | None
) -> None:
    assert derive_status(ItemFacts(result, awaits_retry, state)) is result


@pytest.mark.parametrize("state", [None, *BatchState])
def test_a_waiting_retry_decides_when_there_is_no_result(state: BatchState | None) -> None:
    assert derive_status(ItemFacts(None, awaits_retry=True, batch_state=state)) is ItemStatus.FAILED_RETRYABLE


@pytest.mark.parametrize("state", [None, *BatchState])
def test_the_batch_decides_when_there_is_neither(state: BatchState | None) -> None:
    expected = ItemStatus.PENDING
    if state in QUEUED:
        expected = ItemStatus.QUEUED_LOCAL
    elif state in AT_PROVIDER:
        expected = ItemStatus.SUBMITTED
    assert derive_status(ItemFacts(None, awaits_retry=False, batch_state=state)) is expected


@pytest.mark.parametrize(("state", "event"), list(batch.TRANSITIONS))
def test_no_event_of_a_batch_moves_its_items_off_the_table(state: BatchState, event: BatchEvent) -> None:
    before = derive_status(ItemFacts(None, awaits_retry=False, batch_state=state))
    after = derive_status(ItemFacts(None, awaits_retry=False, batch_state=batch.TRANSITIONS[state, event]))
    targets = {target for (source, _), target in item.TRANSITIONS.items() if source is before}
    # A batch is collected when none of its items depends on it any more.
    assert after is before or after in targets or event is BatchEvent.COLLECT


COUNTS = StatusCounts(pending=10, queued_local=20, submitted=30, completed=40, failed_retryable=50, failed_permanent=60)


def test_accepted_is_the_sum_of_all_counters() -> None:
    assert COUNTS.accepted == 210
    assert COUNTS.open == 110


@pytest.mark.parametrize("status", ItemStatus)
def test_each_status_has_its_counter(status: ItemStatus) -> None:
    assert StatusCounts(**{status.value: 3}).of(status) == 3
    assert StatusCounts(**{status.value: 3}).accepted == 3


@pytest.mark.parametrize("status", [ItemStatus.PENDING, ItemStatus.FAILED_PERMANENT])
def test_accepting_adds_to_one_counter(status: ItemStatus) -> None:
    after = COUNTS.accept(5, status=status)
    assert {other: after.of(other) - COUNTS.of(other) for other in ItemStatus} == {
        other: 5 if other is status else 0 for other in ItemStatus
    }


def test_items_are_accepted_as_pending_by_default() -> None:
    assert StatusCounts().accept(7) == StatusCounts(pending=7)


@pytest.mark.parametrize(("status", "event"), [*product(ItemStatus, ItemEvent)])
def test_a_move_takes_from_one_counter_and_adds_to_another_along_a_row(status: ItemStatus, event: ItemEvent) -> None:
    target = item.TRANSITIONS.get((status, event))
    if target is None:
        with pytest.raises(IllegalTransitionError):
            COUNTS.move(status, event, number=1)
        return
    after = COUNTS.move(status, event, number=3)
    assert (after.of(status), after.of(target)) == (COUNTS.of(status) - 3, COUNTS.of(target) + 3)
    assert after.accepted == COUNTS.accepted


def test_a_move_follows_several_rows() -> None:
    after = COUNTS.move(ItemStatus.FAILED_RETRYABLE, ItemEvent.REQUEUE, ItemEvent.CLAIM, number=2)
    assert (after.pending, after.queued_local, after.failed_retryable) == (10, 22, 48)


def test_a_move_that_comes_back_changes_nothing() -> None:
    assert COUNTS.move(ItemStatus.QUEUED_LOCAL, ItemEvent.RELEASE, ItemEvent.CLAIM, number=2) == COUNTS


def test_a_move_of_nothing_still_follows_the_table() -> None:
    assert COUNTS.move(ItemStatus.PENDING, ItemEvent.CLAIM, number=0) == COUNTS
    with pytest.raises(IllegalTransitionError):
        COUNTS.move(ItemStatus.COMPLETED, ItemEvent.CLAIM, number=0)


def a_run(counts: StatusCounts = COUNTS, *, complete: bool = True) -> RunRecord:
    return RunRecord("run", "0a1b2c3d", NOW, {}, IngestState(source={}, complete=complete), counts=counts)


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        (StatusCounts(), RunLifecycleStatus.COMPLETED),
        (StatusCounts(completed=3), RunLifecycleStatus.COMPLETED),
        (StatusCounts(completed=3, failed_permanent=1), RunLifecycleStatus.COMPLETED_WITH_FAILURES),
        (StatusCounts(failed_permanent=1), RunLifecycleStatus.COMPLETED_WITH_FAILURES),
    ],
)
def test_a_run_without_open_items_is_finished_once_its_input_is_read(
    counts: StatusCounts, status: RunLifecycleStatus
) -> None:
    finished = a_run(counts).finished_if_done(NOW)
    assert (finished.status, finished.finished_at, finished.is_finished) == (status, NOW, True)
    assert not a_run(counts, complete=False).finished_if_done(NOW).is_finished


@pytest.mark.parametrize("status", [status for status in ItemStatus if status not in item.TERMINAL])
def test_a_run_with_an_open_item_is_not_finished(status: ItemStatus) -> None:
    running = a_run(StatusCounts(completed=9, **{status.value: 1}))
    assert running.finished_if_done(NOW) == running


def test_a_finished_run_keeps_its_end() -> None:
    finished = a_run(StatusCounts()).finished_if_done(NOW)
    assert finished.finished_if_done(NOW.replace(year=2030)) == finished


def test_control_keeps_the_reason_and_message_of_the_last_event() -> None:
    paused = a_run().controlled(ControlEvent.PAUSE, reason="quota", message="the limit is reached")
    assert (paused.control_state, paused.control_reason, paused.control_message) == (
        RunControlState.PAUSED,
        "quota",
        "the limit is reached",
    )
    resumed = paused.controlled(ControlEvent.RESUME)
    assert (resumed.control_state, resumed.control_reason, resumed.control_message) == (
        RunControlState.RUNNING,
        None,
        None,
    )


def test_a_cancelled_run_cannot_be_resumed() -> None:
    with pytest.raises(IllegalTransitionError):
        a_run().controlled(ControlEvent.CANCEL).controlled(ControlEvent.RESUME)


def a_batch() -> BatchRecord:
    return BatchRecord(1, "run", "00" * 16, 0, 3, 3, 300, 0, NOW, NOW)


def test_a_batch_moves_along_its_table_and_keeps_the_rest() -> None:
    uploaded = a_batch().moved(BatchEvent.UPLOAD)
    assert (uploaded.state, uploaded.last) == (BatchState.UPLOADED, 3)
    with pytest.raises(IllegalTransitionError):
        uploaded.moved(BatchEvent.COLLECT)


def test_a_batch_takes_over_what_the_provider_shows() -> None:
    remote = RemoteBatch("batch_1", "finalizing", ended=False, input_file_id="in", output_file_id="out")
    seen = a_batch().seen(remote)
    assert (seen.provider_batch_id, seen.provider_status, seen.output_file_id) == ("batch_1", "finalizing", "out")
    assert seen.state is BatchState.PREPARED
