from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai as sdk
import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import (
    PRESETS,
    BatchFault,
    EmulatorControlError,
    EmulatorProcess,
    EnqueuedTokens,
    FaultProfile,
    Status,
)

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Wait = Callable[..., Batch]
type Run = Callable[..., Batch]

_PROFILE = {"list_lag_s": 1.5, "calls": [{"action": "drop", "on": "files.*", "count": 3}]}


def test_the_profile_can_be_put_shown_and_deleted(faulty: EmulatorProcess) -> None:
    url = f"{faulty.url}/emulator/faults"
    assert httpx2.get(url).json() == {}
    assert httpx2.put(url, json=_PROFILE).json() == _PROFILE
    assert httpx2.get(url).json() == _PROFILE
    assert httpx2.delete(url).status_code == 204
    assert httpx2.get(url).json() == {}


def test_a_preset_can_be_put(faulty: EmulatorProcess) -> None:
    url = f"{faulty.url}/emulator/faults"
    assert httpx2.put(f"{url}?preset=busy-project").status_code == 200
    assert httpx2.get(url).json() == httpx2.get(f"{faulty.url}/emulator/fault-presets").json()["busy-project"]
    assert httpx2.put(f"{url}?preset=calm").status_code == 400


def test_all_presets_are_shown(faulty: EmulatorProcess) -> None:
    assert httpx2.get(f"{faulty.url}/emulator/fault-presets").json().keys() == PRESETS.keys()


def test_a_bad_profile_is_refused_and_the_old_one_stays(faulty: EmulatorProcess) -> None:
    url = f"{faulty.url}/emulator/faults"
    httpx2.put(url, json=_PROFILE)
    refusal = httpx2.put(url, json={"calls": [{"action": "drop", "odd": 1}]})
    assert refusal.status_code == 400
    assert "`odd`" in refusal.json()["error"]["message"]
    assert httpx2.get(url).json() == _PROFILE


def test_a_restart_has_the_faults_that_were_set_last() -> None:
    with EmulatorProcess(faults="busy-project") as process:
        process.set_faults(_PROFILE)
        process.kill()
        process.start()
        assert httpx2.get(f"{process.url}/emulator/faults").json() == _PROFILE
        process.clear_faults()
        process.restart()
        assert httpx2.get(f"{process.url}/emulator/faults").json() == {}


def test_a_profile_that_was_put_ends_with_its_process() -> None:
    with EmulatorProcess(faults=_PROFILE) as process:
        httpx2.put(f"{process.url}/emulator/faults", json={"ids": "uuid"})
        process.restart()
        assert httpx2.get(f"{process.url}/emulator/faults").json() == _PROFILE


def test_faults_can_be_set_before_the_start() -> None:
    process = EmulatorProcess()
    process.set_faults(_PROFILE)
    with process:
        assert httpx2.get(f"{process.url}/emulator/faults").json() == _PROFILE


def test_counting_begins_anew_with_each_profile(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    profile = FaultProfile(calls=(Status(on="batches.list", status=503, count=1),))
    for _ in range(2):
        faulty.set_faults(profile)
        assert faulty.struck() == {}
        with pytest.raises(sdk.InternalServerError):
            faulty_client.batches.list()
        faulty_client.batches.list()
        assert faulty.struck() == {"calls[0]": 1}


def test_calls_are_counted_by_route_faults_or_not(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    before = faulty.calls().get("GET /v1/batches", 0)
    faulty.set_faults({"calls": [{"action": "status", "on": "batches.list", "count": 1}]})
    with pytest.raises(sdk.InternalServerError):
        faulty_client.batches.list()
    faulty_client.batches.list()
    assert faulty.calls()["GET /v1/batches"] == before + 2


def test_foreign_batches_are_listed_beyond_the_first_page(row: Row, run: Run) -> None:
    with (
        EmulatorProcess() as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as client,
    ):
        ours = run(client, [row(1)])
        added = process.add_foreign_batches(150, metadata={"team": "sales"})
        assert len(set(added)) == 150
        first = client.batches.list(limit=100)
        assert ours.id not in {batch.id for batch in first.data}
        everything = list(first)
        assert [batch.id for batch in everything] == [*reversed(added), ours.id]
        assert {batch.status for batch in everything} == {"completed"}
        assert {str(batch.metadata) for batch in everything if batch.id != ours.id} == {"{'team': 'sales'}"}
        assert {entry.batch_id for entry in process.ledger()} == {ours.id}
        process.kill()
        process.start()
        assert [batch.id for batch in client.batches.list(limit=100)] == [*reversed(added), ours.id]


def test_other_teams_can_create_batches_after_each_of_ours(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, start: Start
) -> None:
    faulty.set_faults(FaultProfile(foreign_batches_per_create=30))
    ours = [start(faulty_client, [row(1)]).id for _ in range(2)]
    shown = [batch.id for batch in faulty_client.batches.list(limit=62).data]
    assert (shown[30], shown[61]) == (ours[1], ours[0])


@pytest.mark.parametrize("count", [0, -1, True, "5", 10_001, None])
def test_an_odd_number_of_foreign_batches_is_refused(faulty: EmulatorProcess, count: Any) -> None:
    with pytest.raises(EmulatorControlError, match=r"400.*count"):
        faulty.add_foreign_batches(count)


def _forty_characters(row: Row, model: str, count: int = 1) -> list[dict[str, Any]]:
    return [row(number, model=model, input="x" * 40) for number in range(count)]


def test_a_batch_above_the_token_limit_fails_after_its_creation(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, start: Start, wait: Wait
) -> None:
    faulty.set_faults(FaultProfile(enqueued_token_limit=150, batches=(BatchFault(run_s=0.5),)))
    rows = _forty_characters(row, "limited", 10)
    first = wait(faulty_client, start(faulty_client, rows), "in_progress")
    assert faulty.tokens().enqueued["limited"] == 100
    second = wait(faulty_client, start(faulty_client, rows))
    assert second.status == "failed"
    (fault,) = second.to_dict()["errors"]["data"]  # ty: ignore[not-subscriptable]
    assert (fault["code"], fault["line"], fault["param"]) == ("token_limit_exceeded", None, None)
    assert "Limit: 150 enqueued tokens" in fault["message"]
    assert faulty.tokens().enqueued["limited"] == 100
    wait(faulty_client, first)
    assert faulty.tokens().enqueued["limited"] == 0
    assert wait(faulty_client, start(faulty_client, rows)).status == "completed"
    assert faulty.tokens().highest["limited"] == 100


def test_a_batch_of_exactly_the_limit_is_accepted(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run
) -> None:
    rows = [row(number, input="x" * 40) for number in range(10)]
    faulty.set_faults({"enqueued_token_limit": 100})
    assert run(faulty_client, rows).status == "completed"
    faulty.set_faults({"enqueued_token_limit": 99})
    assert run(faulty_client, rows).status == "failed"


def test_each_model_has_its_own_limit(faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run) -> None:
    faulty.set_faults({"enqueued_token_limit": {"small": 5}})
    assert run(faulty_client, _forty_characters(row, "small")).status == "failed"
    assert run(faulty_client, _forty_characters(row, "large")).status == "completed"


def test_enqueued_tokens_are_known_after_a_restart(row: Row, start: Start, wait: Wait) -> None:
    with (
        EmulatorProcess(arguments=["--run-s=1"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as client,
    ):
        batch = wait(client, start(client, _forty_characters(row, "gpt-test")), "in_progress")
        process.kill()
        process.start()
        assert process.tokens().enqueued == {"gpt-test": 10}
        wait(client, batch)
        assert process.tokens() == EnqueuedTokens(enqueued={"gpt-test": 0}, highest={"gpt-test": 10})


@pytest.mark.parametrize(
    "case",
    [
        ("text", "/v1/responses", {"input": "äöü" * 9, "instructions": "be brief"}),
        (
            "parts",
            "/v1/responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi" * 9}]}]},
        ),
        (
            "chat",
            "/v1/chat/completions",
            {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]},
        ),
        ("embeddings", "/v1/embeddings", {"input": ["one", "two and three"]}),
    ],
    ids=lambda case: case[0],
)
def test_enqueued_tokens_are_those_of_the_usage(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Run, case: tuple[str, str, dict[str, Any]]
) -> None:
    name, url, body = case
    batch = run(faulty_client, [row(number, url, model=name, **body) for number in range(3)], endpoint=url)
    assert batch.usage is not None
    assert faulty.tokens().highest[name] == batch.usage.input_tokens


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "slow-day"])
def test_a_patient_client_gets_through_a_bad_day(faulty: EmulatorProcess, row: Row, start: Start, name: str) -> None:
    faulty.set_faults(name)
    with OpenAI(base_url=faulty.base_url, api_key="test", max_retries=12) as patient:
        batch = _started_in_the_end(lambda: start(patient, [row(number) for number in range(30)]))
        deadline = time.monotonic() + 20
        while batch.status not in ("completed", "failed", "expired", "cancelled"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
            batch = patient.batches.retrieve(batch.id)
    executed = {entry.custom_id for entry in faulty.ledger() if entry.batch_id == batch.id}
    assert executed == {str(number) for number in range(30)}


def _started_in_the_end(attempt: Callable[[], Batch]) -> Batch:
    while True:
        try:
            return attempt()
        except sdk.BadRequestError as error:
            assert "Cannot find file" in str(error)  # noqa: PT017 (the loop ends when another error comes)
            time.sleep(0.1)
