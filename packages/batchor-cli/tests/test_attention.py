"""What needs a hand, and what to type next."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batchor import MemoryStateStore, OpenAIEnqueueLimitConfig, OpenAIProviderConfig, RunSnapshot, RunSummary
from batchor_cli.attention import Need, what_needs_a_hand
from batchor_cli.options import Place
from batchor_core import ArtifactPolicy, ChunkPolicy, RetryPolicy, RunControlState, StatusCounts
from batchor_core.domain.batch import BatchRecord, BatchState
from batchor_core.domain.capacity import CapacityRecord
from batchor_core.domain.job import StoredJob
from batchor_core.domain.lease import Lease
from batchor_core.domain.results import FailureCount
from batchor_core.domain.run import IngestState, RunRecord
from batchor_core.ports.state_records import ArtifactKind, ArtifactRecord

NOW = datetime(2026, 4, 3, 12, tzinfo=UTC)
LIMITS = OpenAIEnqueueLimitConfig(enqueued_token_limit=1_000, quota_scope="shared")
PRUNED = ArtifactRecord(0, "r", ArtifactKind.REQUEST, "0123abcd/requests-0", state="pruned")
READ = IngestState(source={}, complete=True)


def config_of(provider_config: OpenAIProviderConfig) -> Any:
    job = StoredJob(
        provider="openai",
        provider_config=provider_config.to_stored(),
        output_schema=None,
        chunk_policy=ChunkPolicy(),
        retry_policy=RetryPolicy(),
        artifact_policy=ArtifactPolicy(),
        batch_metadata={},
        identity={},
    )
    return job.to_json()


def stored_run(**changes: Any) -> RunRecord:
    config = config_of(OpenAIProviderConfig(model="m", base_url="http://127.0.0.1:9/v1", enqueue_limits=LIMITS))
    plain = RunRecord(run_id="r", tag="0123abcd", created_at=NOW, config=config, ingest=READ)
    return replace(plain, **changes)


def batch(*, sent: datetime) -> BatchRecord:
    return BatchRecord(
        batch_id=0, run_id="r", batch_key="k", first=0, last=1, request_count=1, request_bytes=1, reserved_tokens=0,
        created_at=sent, next_due_at=sent, state=BatchState.SUBMITTED, sent_at=sent, provider_batch_id="batch_7",
    )  # fmt: skip


def needs(
    run: RunRecord,
    *,
    batches: tuple[BatchRecord, ...] = (),
    capacity: CapacityRecord | None = None,
    failures: tuple[FailureCount, ...] = (),
    artifacts: tuple[ArtifactRecord, ...] = (),
    place: Place | None = None,
) -> list[Need]:
    store = MemoryStateStore()
    with store.transaction() as uow:
        uow.runs.add(run)
        for each in batches:
            uow.batches.add(each)
        for artifact in artifacts:
            uow.artifacts.add(artifact)
        if capacity is not None:
            uow.capacity.lock(capacity.scope)
            uow.capacity.save(capacity)
    snapshot = RunSnapshot(RunSummary.of(run), failures=failures)
    return what_needs_a_hand(store, snapshot, place=place or Place(), now=NOW)


def test_a_run_that_goes_on_well_needs_nothing() -> None:
    assert needs(stored_run(), batches=(batch(sent=NOW - timedelta(hours=23)),)) == []


def test_a_paused_run_tells_its_reason_and_the_command_for_its_place() -> None:
    paused = stored_run(
        control_state=RunControlState.PAUSED, control_reason="auth", control_message="the key was refused"
    )
    (need,) = needs(paused, place=Place(db_path=Path("my runs.sqlite3"), sandbox=True))
    assert need.kind == "paused"
    assert "auth: the key was refused" in need.message
    assert need.command == "batchor resume r --db-path 'my runs.sqlite3' --sandbox"


def test_an_input_that_nobody_reads_is_told() -> None:
    free = stored_run(ingest=IngestState(source={}))
    held = stored_run(ingest=IngestState(source={}, lease=Lease("somebody", NOW + timedelta(seconds=9), 1)))
    assert [need.kind for need in needs(free)] == ["input_unread"]
    assert needs(held) == []


def test_a_batch_over_its_window_is_named() -> None:
    (need,) = needs(stored_run(), batches=(batch(sent=NOW - timedelta(hours=25)),))
    assert (need.kind, need.command) == ("batches_overdue", "batchor wait r")
    assert "24 h: batch_7" in need.message


@pytest.mark.parametrize(
    ("capacity", "says"),
    [
        (CapacityRecord("shared", blocked_until=NOW + timedelta(minutes=5)), "until 2026-04-03 12:05:00 UTC"),
        (CapacityRecord("shared", reserved=900), "900 tokens are enqueued in 'shared', 100 are free"),
    ],
)
def test_a_full_queue_is_told_where_items_wait_for_it(capacity: CapacityRecord, says: str) -> None:
    waiting = stored_run(counts=StatusCounts(pending=5), pending_tokens=200)
    (need,) = needs(waiting, capacity=capacity)
    assert (need.kind, need.command) == ("queue_full", None)
    assert says in need.message
    assert needs(stored_run(), capacity=capacity) == []


def test_each_kind_of_failure_has_its_command() -> None:
    refused, unsent = needs(stored_run(), failures=(FailureCount("refused", 1_200), FailureCount("prompt_failed", 1)))
    assert refused.message.startswith("1,200 items failed as refused")
    assert refused.command == "batchor retry r --error-class refused"
    assert unsent.command is None
    assert "could not be sent" in unsent.message


def test_failures_of_a_cancelled_run_cannot_begin_again() -> None:
    cancelled = stored_run(control_state=RunControlState.CANCEL_REQUESTED)
    (need,) = needs(cancelled, failures=(FailureCount("run_cancelled", 3),))
    assert need.command is None


def test_failures_whose_requests_were_pruned_cannot_begin_again() -> None:
    (need,) = needs(stored_run(), failures=(FailureCount("refused", 3),), artifacts=(PRUNED,))
    assert need.command is None
    assert "pruned" in need.message
