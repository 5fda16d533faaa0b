from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import openai as sdk
import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import BatchFault, Cancel, EmulatorProcess, Expire, Fail, FaultProfile, Stick

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Wait = Callable[..., Batch]
type Run = Callable[..., Batch]
type Lines = Callable[..., list[dict[str, Any]]]


def _executed(process: EmulatorProcess, batch: Batch) -> list[str]:
    return [entry.custom_id for entry in process.ledger() if entry.batch_id == batch.id]


def _faults(batch: Batch) -> list[tuple[str | None, int | None]]:
    assert batch.errors is not None
    return [(error.code, error.line) for error in batch.errors.data or ()]


def _all(rows: Iterable[int], row: Row) -> list[dict[str, Any]]:
    return [row(number) for number in rows]


def test_a_batch_can_fail_without_a_line(faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(count=1, outcome=Fail(code="server_error")),)))
    failed = run(faulty_client, [row(1)])
    assert (failed.status, _faults(failed)) == ("failed", [("server_error", None)])
    assert (failed.output_file_id, failed.error_file_id) == (None, None)
    assert _executed(faulty, failed) == []
    assert run(faulty_client, [row(1)]).status == "completed"


def test_a_batch_can_fail_with_lines(faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run) -> None:
    outcome = Fail(code="invalid_json_line", lines=(2,), containing="poison")
    faulty.set_faults(FaultProfile(batches=(BatchFault(outcome=outcome),)))
    rows = [row(1), row(2), row(3, input="poison"), row(4)]
    failed = run(faulty_client, rows)
    assert _faults(failed) == [("invalid_json_line", 2), ("invalid_json_line", 3)]


def test_a_batch_without_the_text_that_fails_is_spared(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(outcome=Fail(containing="poison")),)))
    assert run(faulty_client, [row(1), row(2, input="poison")]).status == "failed"
    assert run(faulty_client, [row(1)]).status == "completed"


def test_a_batch_expires_where_its_fault_says(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, lines: Lines, run: Run
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(outcome=Expire(at_share=0.25)),)))
    batch = run(faulty_client, _all(range(40), row))
    done = lines(faulty_client, batch.output_file_id)
    unfinished = lines(faulty_client, batch.error_file_id)
    assert batch.status == "expired"
    assert len(done) == 10
    assert {line["error"]["code"] for line in unfinished} == {"batch_expired"}
    assert {line["custom_id"] for line in done + unfinished} == {str(number) for number in range(40)}
    assert sorted(_executed(faulty, batch)) == sorted(line["custom_id"] for line in done)


def test_a_batch_can_expire_before_anything_was_done(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, lines: Lines, run: Run
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(outcome=Expire(at_share=0)),)))
    batch = run(faulty_client, _all(range(5), row))
    assert (batch.status, batch.output_file_id) == ("expired", None)
    assert len(lines(faulty_client, batch.error_file_id)) == 5


def test_the_provider_cancels_with_partial_output(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, lines: Lines, run: Run
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(outcome=Cancel(at_share=0.5)),)))
    batch = run(faulty_client, _all(range(20), row))
    assert batch.status == "cancelled"
    assert len(lines(faulty_client, batch.output_file_id)) == 10
    assert batch.error_file_id is None


def test_a_stuck_batch_stands_past_its_window_until_it_is_cancelled(
    row: Row, start: Start, wait: Wait, lines: Lines
) -> None:
    arguments = ["--completion-window-s=0.5", "--run-s=0.02"]
    stuck = FaultProfile(batches=(BatchFault(outcome=Stick(at_share=0.5)),))
    with (
        EmulatorProcess(arguments=arguments, faults=stuck) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as client,
    ):
        batch = wait(client, start(client, _all(range(10), row)), "in_progress")
        time.sleep(0.8)
        process.kill()
        process.clear_faults()
        process.start()
        time.sleep(0.2)
        assert client.batches.retrieve(batch.id).status == "in_progress"
        client.batches.cancel(batch.id)
        cancelled = wait(client, batch)
        assert cancelled.status == "cancelled"
        assert len(lines(client, cancelled.output_file_id)) == 5
        assert len(_executed(process, batch)) == 5


def test_faults_choose_batches_by_their_ordinal(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run
) -> None:
    faulty.set_faults(
        FaultProfile(batches=(BatchFault(ordinals=(2, 4), outcome=Expire()), BatchFault(ordinals=(3,), outcome=Fail())))
    )
    statuses = [run(faulty_client, [row(1)]).status for _ in range(4)]
    assert statuses == ["completed", "expired", "failed", "expired"]
    assert faulty.struck() == {"batches[0]": 2, "batches[1]": 1}


def test_a_share_of_batches_is_struck_and_the_same_ones_in_each_rehearsal(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run
) -> None:
    def rehearse(seed: int) -> list[str]:
        faulty.set_faults(FaultProfile(seed=seed, batches=(BatchFault(share=0.4, outcome=Fail()),)))
        return [run(faulty_client, [row(1)]).status for _ in range(8)]

    first = rehearse(3)
    assert rehearse(3) == first
    assert {"failed", "completed"} == set(first)
    assert rehearse(4) != first


def test_a_batch_keeps_its_fate_when_the_profile_changes_and_the_emulator_dies(
    private_dir: Path, row: Row, start: Start, wait: Wait, run: Run
) -> None:
    fated = FaultProfile(batches=(BatchFault(outcome=Expire(at_share=0.5), counts="null"),))
    arguments = ["--row-s=0.02"]
    with (
        EmulatorProcess(state_dir=private_dir, arguments=arguments, faults=fated) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as client,
    ):
        batch = wait(client, start(client, _all(range(30), row)), "in_progress")
        process.kill()
        process.clear_faults()
        process.start()
        ended = wait(client, batch)
        assert (ended.status, ended.request_counts) == ("expired", None)
        assert len(_executed(process, batch)) == 15
        assert run(client, [row(1)]).status == "completed"


def test_a_completed_batch_may_have_no_output_file(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(output_file="missing"),)))
    batch = run(faulty_client, [row(1)])
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert _executed(faulty, batch) == ["1"]


def test_a_batch_may_have_no_error_file_though_requests_failed(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(error_file="missing"),)))
    batch = run(faulty_client, [row(1, input="")])
    assert (batch.output_file_id, batch.error_file_id) == (None, None)


def test_an_error_file_may_have_no_bytes(faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(error_file="empty"),)))
    batch = run(faulty_client, [row(1)])
    assert batch.error_file_id is not None
    assert faulty_client.files.retrieve(batch.error_file_id).bytes == 0
    assert faulty_client.files.content(batch.error_file_id).content == b""


def test_the_id_of_a_missing_error_file_may_be_blank(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, lines: Lines, run: Run
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(error_file="blank-id"),)))
    assert run(faulty_client, [row(1)]).error_file_id == ""
    failed = run(faulty_client, [row(1, input="")])
    assert len(lines(faulty_client, failed.error_file_id)) == 1


@pytest.mark.parametrize("case", [("null", None), ("zero", (0, 0, 0)), ("wrong", (4, 1, 2))], ids=lambda case: case[0])
def test_counts_may_be_null_or_lie(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, case: tuple[str, tuple[int, ...] | None], run: Run
) -> None:
    counts, shown = case
    faulty.set_faults({"batches": [{"counts": counts}]})
    found = run(faulty_client, [row(1), row(2), row(3, input="")]).request_counts
    assert (None if found is None else (found.total, found.completed, found.failed)) == shown


def test_statuses_may_be_unknown_words(
    row: Row,
    start: Start,
) -> None:
    words = {"validating": "scheduling", "in_progress": "running", "finalizing": "running"}
    with (
        EmulatorProcess(
            arguments=["--validation-s=0.2", "--finalizing-s=0.2"], faults={"batches": [{"statuses": words}]}
        ) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as client,
    ):
        batch = start(client, [row(1)])
        assert batch.status == "scheduling"
        seen = {"scheduling"}
        while batch.status != "completed":
            batch = client.batches.retrieve(batch.id)
            seen.add(batch.status)
        assert seen == {"scheduling", "running", "completed"}
        assert (batch.in_progress_at, batch.finalizing_at) == (None, None)
        assert batch.completed_at is not None


def test_a_batch_can_vanish_and_is_worked_on_all_the_same(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, start: Start
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(vanish_after_s=0),)))
    batch = start(faulty_client, [row(1)])
    with pytest.raises(sdk.NotFoundError):
        faulty_client.batches.retrieve(batch.id)
    with pytest.raises(sdk.NotFoundError):
        faulty_client.batches.cancel(batch.id)
    assert batch.id not in {other.id for other in faulty_client.batches.list().data}
    deadline = time.monotonic() + 5
    while not _executed(faulty, batch):
        assert time.monotonic() < deadline


def test_a_batch_can_take_longer_than_the_others(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, start: Start, wait: Wait
) -> None:
    faulty.set_faults(FaultProfile(batches=(BatchFault(ordinals=(1,), run_s=0.6),)))
    started_at = time.monotonic()
    slow, quick = (start(faulty_client, [row(1)]) for _ in range(2))
    wait(faulty_client, quick)
    assert time.monotonic() - started_at < 0.5
    wait(faulty_client, slow)
    assert time.monotonic() - started_at >= 0.6


def test_a_new_batch_is_retrieved_at_once_and_listed_later(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, start: Start
) -> None:
    before = start(faulty_client, [row(1)])
    time.sleep(0.6)
    faulty.set_faults(FaultProfile(list_lag_s=0.5))
    batch = start(faulty_client, [row(1)])
    assert faulty_client.batches.retrieve(batch.id).id == batch.id
    assert [other.id for other in faulty_client.batches.list(limit=1).data] == [before.id]
    time.sleep(0.5)
    assert [other.id for other in faulty_client.batches.list(limit=2).data] == [batch.id, before.id]


def test_a_new_file_is_there_and_can_not_be_found_by_a_create(
    faulty: EmulatorProcess,
    faulty_client: OpenAI,
    row: Row,
) -> None:
    faulty.set_faults(FaultProfile(file_lag_s=0.5))
    file = faulty_client.files.create(file=("input.jsonl", b"{}"), purpose="batch")
    assert faulty_client.files.retrieve(file.id).id == file.id

    def create() -> Batch:
        return faulty_client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")

    with pytest.raises(sdk.BadRequestError, match="Cannot find file"):
        create()
    time.sleep(0.5)
    assert create().input_file_id == file.id


def test_ids_may_be_uuids_and_survive_a_restart(row: Row, start: Start, lines: Lines, run: Run) -> None:
    with (
        EmulatorProcess(faults={"ids": "uuid"}) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as client,
    ):
        batch = run(client, [row(1), row(2, input="")])
        for identifier in (batch.id, batch.input_file_id, batch.output_file_id, batch.error_file_id):
            assert str(UUID(identifier)) == identifier
        process.kill()
        process.start()
        assert client.batches.retrieve(batch.id) == batch
        assert len(lines(client, batch.output_file_id)) == 1
        assert {entry.batch_id for entry in process.ledger()} == {batch.id}
