"""Each way in which a batch may end, on SQLite against the emulator: finished lines are kept, and every row has an end."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from batchor_core import (
    BatchItem,
    BatchJob,
    BatchRunner,
    ChunkPolicy,
    ItemStatus,
    RecoveryPolicy,
    RetryPolicy,
    Run,
    TextItemResult,
)
from batchor_core.errors import RunPausedError
from batchor_emulator import EmulatorProcess, FaultProfile
from batchor_emulator.faults.batch_fault import BatchFault, Cancel, Expire, Fail
from batchor_emulator.faults.call_fault import Drop
from batchor_emulator.faults.row_fault import RowFault, RowFaultKind
from batchor_openai import OpenAIProviderConfig
from batchor_sqlite import SQLiteStorage

ROWS = 30
QUICK = RetryPolicy(base_backoff_s=0.05, max_backoff_s=0.1, max_deferrals=3)
K = RowFaultKind

type Start = Callable[..., Run[TextItemResult]]
type Executed = Callable[[], Counter[str]]


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(arguments=("--validation-s=0.01", "--run-s=0.02", "--finalizing-s=0.01")) as process:
        yield process


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[BatchRunner]:
    recovery = RecoveryPolicy(quarantine=timedelta(seconds=1))
    with BatchRunner(SQLiteStorage(path=tmp_path / "state.sqlite3"), recovery_policy=recovery) as runner:
        yield runner


@pytest.fixture
def start(runner: BatchRunner, server: EmulatorProcess) -> Start:
    """Start a run of 30 rows in batches of 10 under *faults*."""

    def start(faults: FaultProfile, *, policy: RetryPolicy = QUICK) -> Run[TextItemResult]:
        server.set_faults(faults)
        config = OpenAIProviderConfig(model="gpt-4.1", base_url=server.base_url, api_key="any", poll_interval_s=0.05)
        job = BatchJob(
            items=[BatchItem(f"item-{n}", f"prompt {n}") for n in range(ROWS)],
            build_prompt=lambda item: item.payload,
            provider_config=config,
            chunk_policy=ChunkPolicy(max_requests=10),
            retry_policy=policy,
        )
        return runner.start(job)

    return start


@pytest.fixture
def executed(server: EmulatorProcess, tmp_path: Path) -> Executed:
    """How often the emulator ran each row of the test's own run."""

    def executed() -> Counter[str]:
        (artifacts,) = (tmp_path / "state_artifacts").iterdir()
        ids = (entry.custom_id for entry in server.ledger())
        return Counter(custom_id for custom_id in ids if custom_id.startswith(f"{artifacts.name}-"))

    return executed


HARMLESS = {
    "an expired batch": FaultProfile(batches=(BatchFault(count=2, outcome=Expire()),)),
    "a batch that expires before it begins": FaultProfile(batches=(BatchFault(count=2, outcome=Expire(at_share=0)),)),
    "a batch that the provider cancels": FaultProfile(batches=(BatchFault(count=2, outcome=Cancel()),)),
    "null counts": FaultProfile(batches=(BatchFault(counts="null"),)),
    "counts of zero": FaultProfile(batches=(BatchFault(counts="zero"),)),
    "counts that lie": FaultProfile(batches=(BatchFault(counts="wrong"),)),
    "an empty error file": FaultProfile(batches=(BatchFault(error_file="empty"),)),
    "an error file without an id": FaultProfile(batches=(BatchFault(error_file="blank-id"),)),
    "unknown statuses": FaultProfile(batches=(BatchFault(statuses={"validating": "scheduling", "in_progress": "?"}),)),
    "bodies that are strings": FaultProfile(rows=(RowFault(kind=K.STRING_BODY),)),
    "lines of nobody": FaultProfile(rows=(RowFault(kind=K.UNKNOWN_ID),)),
    "lines twice": FaultProfile(rows=(RowFault(kind=K.DUPLICATE),)),
    "a line of 20 MB": FaultProfile(rows=(RowFault(kind=K.HUGE, lines=(3,)),)),
}


@pytest.mark.parametrize("faults", HARMLESS.values(), ids=HARMLESS)
def test_every_row_is_answered_and_none_is_run_twice(start: Start, executed: Executed, faults: FaultProfile) -> None:
    run = start(faults).wait(timeout=60)
    assert [result.status for result in run.results()] == [ItemStatus.COMPLETED] * ROWS
    assert set(executed().values()) == {1}
    assert run.audit(ask_provider=False).is_clean


COSTLY = {
    "lines that get lost": FaultProfile(batches=(BatchFault(count=1, rows=(RowFault(kind=K.LOST),)),)),
    "lines of garbage": FaultProfile(batches=(BatchFault(count=1, rows=(RowFault(kind=K.GARBAGE),)),)),
    "lines of status 0": FaultProfile(batches=(BatchFault(count=1, rows=(RowFault(kind=K.ZERO_STATUS),)),)),
    "error lines without a response": FaultProfile(
        batches=(BatchFault(count=1, rows=(RowFault(kind=K.NO_RESPONSE_KEY),)),)
    ),
    "answers that no database takes": FaultProfile(batches=(BatchFault(count=1, rows=(RowFault(kind=K.BAD_TEXT),)),)),
    "no output file": FaultProfile(batches=(BatchFault(count=1, output_file="missing"),)),
}


@pytest.mark.parametrize("faults", COSTLY.values(), ids=COSTLY)
def test_only_rows_without_a_usable_line_are_run_again(start: Start, executed: Executed, faults: FaultProfile) -> None:
    run = start(faults).wait(timeout=60)
    assert [result.status for result in run.results()] == [ItemStatus.COMPLETED] * ROWS
    assert Counter(executed().values()) == {1: 20, 2: 10}
    assert run.audit(ask_provider=False).is_clean


FINAL = {
    "refused": RowFault(kind=K.REFUSAL),
    "truncated": RowFault(kind=K.TRUNCATED),
    "request_failed": RowFault(kind=K.ERROR, status_code=400, code="invalid_prompt"),
}


@pytest.mark.parametrize(("error_class", "fault"), FINAL.items(), ids=FINAL)
def test_an_answer_that_is_none_fails_with_a_class_of_its_own(
    start: Start, executed: Executed, error_class: str, fault: RowFault
) -> None:
    run = start(FaultProfile(rows=(fault,))).wait(timeout=60)
    assert {failure.error_class: failure.items for failure in run.snapshot().failures} == {error_class: ROWS}
    assert set(executed().values()) == {1}


def test_an_empty_answer_is_tried_again_until_its_attempts_are_used_up(start: Start, executed: Executed) -> None:
    run = start(FaultProfile(rows=(RowFault(kind=K.EMPTY),))).wait(timeout=60)
    assert {(result.error.error_class, result.attempt_count) for result in run.results() if result.error} == {
        ("empty", 3)
    }
    assert set(executed().values()) == {3}


@pytest.mark.parametrize("outcome", [Expire(at_share=0), Cancel(at_share=0)], ids=["expire", "cancel"])
def test_a_run_of_which_every_batch_ends_so_comes_to_an_end(
    start: Start, executed: Executed, outcome: Expire | Cancel
) -> None:
    run = start(FaultProfile(batches=(BatchFault(outcome=outcome),))).wait(timeout=60)
    assert {failure.error_class: failure.items for failure in run.snapshot().failures} == {"not_run": ROWS}


def test_a_run_of_which_every_batch_fails_pauses_with_the_providers_reason(start: Start) -> None:
    run = start(FaultProfile(batches=(BatchFault(outcome=Fail(code="bad_model", message="No such model.")),)))
    with pytest.raises(RunPausedError, match=r"No such model\. \(bad_model\)"):
        run.wait(timeout=60)
    assert run.summary().control_reason == "batch_failed"


def test_lines_that_fail_validation_fail_alone(start: Start, executed: Executed) -> None:
    run = start(FaultProfile(batches=(BatchFault(count=1, outcome=Fail(message="Bad line.", lines=(2, 5))),)))
    statuses = Counter(result.status for result in run.wait(timeout=60).results())
    assert statuses == {ItemStatus.COMPLETED: 28, ItemStatus.FAILED_PERMANENT: 2}
    assert len(executed()) == 28


def test_a_batch_that_cannot_be_found_any_more_pauses_the_run(start: Start) -> None:
    run = start(FaultProfile(batches=(BatchFault(ordinals=(1,), run_s=60, vanish_after_s=0.3),)))
    with pytest.raises(RunPausedError, match="404"):
        run.wait(timeout=60)
    assert run.summary().control_reason == "missing_batch"


def test_a_batch_behind_the_first_hundred_of_a_listing_is_adopted(start: Start, executed: Executed) -> None:
    lost = Drop(on="batches.create", when="after", count=1)
    run = start(FaultProfile(calls=(lost,), foreign_batches_per_create=250)).wait(timeout=60)
    assert [result.status for result in run.results()] == [ItemStatus.COMPLETED] * ROWS
    assert set(executed().values()) == {1}
    assert run.audit().is_clean
