from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai as sdk
import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import Delay, Drop, EmulatorProcess, FaultProfile, Slow, Status, Truncate

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Wait = Callable[..., Batch]

_KEY = {"Authorization": "Bearer test"}


def _upload(client: OpenAI, content: bytes = b"{}") -> str:
    return client.files.create(file=("input.jsonl", content), purpose="batch").id


def _batch_count(client: OpenAI, file_id: str) -> int:
    return sum(batch.input_file_id == file_id for batch in client.batches.list(limit=100).data)


def _create(client: OpenAI, file_id: str) -> Batch:
    return client.batches.create(input_file_id=file_id, endpoint="/v1/responses", completion_window="24h")


def _outcome(process: EmulatorProcess, method: str, path: str) -> str | int:
    """The status of a raw call, or `closed`."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=5)
    try:
        connection.request(method, path, headers=_KEY)
        response = connection.getresponse()
        response.read()
    except http.client.RemoteDisconnected:
        return "closed"
    else:
        return response.status
    finally:
        connection.close()


def test_a_call_that_is_dropped_after_the_act_has_acted(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client)
    faulty.set_faults(FaultProfile(calls=(Drop(on="batches.create", when="after", count=1),)))
    with pytest.raises(sdk.APIConnectionError):
        _create(faulty_client, file_id)
    assert _batch_count(faulty_client, file_id) == 1
    _create(faulty_client, file_id)
    assert faulty.struck() == {"calls[0]": 1}


def test_what_was_done_before_the_drop_survives_a_kill(row: Row, start: Start, wait: Wait) -> None:
    with (
        EmulatorProcess(faults={"calls": [{"action": "drop", "on": "batches.create", "when": "after"}]}) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as client,
    ):
        with pytest.raises(sdk.APIConnectionError):
            start(client, [row(1)])
        process.kill()
        process.restart()
        (batch,) = client.batches.list().data
        assert wait(client, batch).status == "completed"


def test_a_call_that_is_dropped_before_the_act_has_not_acted(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client)
    faulty.set_faults(FaultProfile(calls=(Drop(on="batches.create"),)))
    with pytest.raises(sdk.APIConnectionError):
        _create(faulty_client, file_id)
    assert _batch_count(faulty_client, file_id) == 0


def test_a_dropped_call_gets_no_byte_of_an_answer(faulty: EmulatorProcess) -> None:
    faulty.set_faults(FaultProfile(calls=(Drop(on="GET /v1/batches", when="after"),)))
    assert _outcome(faulty, "GET", "/v1/batches") == "closed"
    assert _outcome(faulty, "GET", "/v1/files") == 200


def test_a_call_can_act_and_answer_500(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client)
    faulty.set_faults(FaultProfile(calls=(Status(on="batches.create", when="after", status=500),)))
    with pytest.raises(sdk.InternalServerError):
        _create(faulty_client, file_id)
    assert _batch_count(faulty_client, file_id) == 1


def test_a_create_acts_though_its_client_has_given_up(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client)
    faulty.set_faults(FaultProfile(calls=(Delay(on="batches.create", delay_s=0.4),)))
    with pytest.raises(sdk.APITimeoutError):
        _create(faulty_client.with_options(timeout=0.1), file_id)
    assert _batch_count(faulty_client, file_id) == 0
    deadline = time.monotonic() + 5
    while _batch_count(faulty_client, file_id) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_answer_can_be_late_after_the_act(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client)
    faulty.set_faults(FaultProfile(calls=(Delay(on="batches.create", when="after", delay_s=0.4),)))
    with pytest.raises(sdk.APITimeoutError):
        _create(faulty_client.with_options(timeout=0.2), file_id)
    assert _batch_count(faulty_client, file_id) == 1


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Status(status=401), sdk.AuthenticationError, "invalid_api_key"),
        (Status(status=403), sdk.PermissionDeniedError, "permission_denied"),
        (Status(status=404), sdk.NotFoundError, None),
        (Status(status=409), sdk.ConflictError, None),
        (Status(status=429, retry_after_s=130), sdk.RateLimitError, "rate_limit_exceeded"),
        (Status(status=429, code="insufficient_quota"), sdk.RateLimitError, "insufficient_quota"),
        (Status(status=503), sdk.InternalServerError, None),
        (Status(status=400, code="billing_hard_limit_reached"), sdk.BadRequestError, "billing_hard_limit_reached"),
    ],
)
def test_a_call_gets_the_error_of_its_fault(
    faulty: EmulatorProcess, faulty_client: OpenAI, fault: Status, error: type[sdk.APIStatusError], code: str | None
) -> None:
    faulty.set_faults(FaultProfile(calls=(fault,)))
    with pytest.raises(error) as caught:
        faulty_client.batches.list()
    assert caught.value.code == code
    assert caught.value.response.headers["x-request-id"].startswith("req_")
    assert caught.value.response.headers.get("retry-after") == ("130" if fault.retry_after_s else None)


def test_a_quota_error_has_its_own_type(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    faulty.set_faults({"calls": [{"action": "status", "status": 429, "code": "insufficient_quota"}]})
    with pytest.raises(sdk.RateLimitError, match="exceeded your current quota") as caught:
        faulty_client.files.list()
    assert caught.value.type == "insufficient_quota"


def test_a_gateway_answers_with_a_page(faulty: EmulatorProcess) -> None:
    faulty.set_faults(FaultProfile(calls=(Status(status=502, as_html=True),)))
    answer = httpx2.get(f"{faulty.base_url}/files", headers=_KEY)
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")


def test_a_large_upload_that_is_refused_sees_the_refusal(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    faulty.set_faults(FaultProfile(calls=(Status(on="files.create", status=429, count=1),)))
    with pytest.raises(sdk.RateLimitError):
        _upload(faulty_client, b"x" * 30_000_000)


def test_the_sdk_waits_as_long_as_retry_after_says(faulty: EmulatorProcess) -> None:
    faulty.set_faults(FaultProfile(calls=(Status(status=429, retry_after_s=0.3, count=1),)))
    with OpenAI(base_url=faulty.base_url, api_key="test", max_retries=1) as client:
        started_at = time.monotonic()
        client.batches.list()
        assert time.monotonic() - started_at >= 0.3


def test_a_truncated_download_ends_before_the_announced_length(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client, b"0123456789")
    faulty.set_faults(FaultProfile(calls=(Truncate(on="files.content", keep_share=0.3, count=1),)))
    connection = http.client.HTTPConnection("127.0.0.1", faulty.port, timeout=5)
    connection.request("GET", f"/v1/files/{file_id}/content", headers=_KEY)
    response = connection.getresponse()
    assert response.headers["content-length"] == "10"
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    connection.close()
    assert caught.value.partial == b"012"
    assert faulty_client.files.content(file_id).content == b"0123456789"


def test_a_large_download_is_truncated_at_its_share(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client, b"x" * 5_000_000)
    faulty.set_faults(FaultProfile(calls=(Truncate(on="files.content", keep_share=0.5),)))
    with pytest.raises(httpx2.RemoteProtocolError, match="2500000"):
        httpx2.get(f"{faulty.base_url}/files/{file_id}/content", headers=_KEY)


def test_a_silent_truncation_announces_what_it_sends(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client, b"0123456789")
    faulty.set_faults(FaultProfile(calls=(Truncate(on="files.content", keep_share=0.3, silently=True),)))
    assert faulty_client.files.content(file_id).content == b"012"
    assert faulty_client.files.content(file_id).content == b"012"


def test_a_call_without_a_body_has_nothing_to_truncate(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client, b"0123456789")
    faulty.set_faults(FaultProfile(calls=(Truncate(), Slow())))
    assert _outcome(faulty, "HEAD", f"/v1/files/{file_id}/content") == 200


def test_a_slow_body_arrives_whole_and_late(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    content = bytes(range(256)) * 40
    file_id = _upload(faulty_client, content)
    faulty.set_faults(FaultProfile(calls=(Slow(on="files.content", bytes_per_s=20_000),)))
    started_at = time.monotonic()
    assert faulty_client.files.content(file_id).content == content
    assert 0.4 < time.monotonic() - started_at < 3


def test_a_body_can_be_slow_and_then_cut(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    file_id = _upload(faulty_client, b"x" * 10_000)
    faulty.set_faults(FaultProfile(calls=(Truncate(on="files.content"), Slow(on="files.content", bytes_per_s=50_000))))
    started_at = time.monotonic()
    with pytest.raises(httpx2.RemoteProtocolError, match="5000"):
        httpx2.get(f"{faulty.base_url}/files/{file_id}/content", headers=_KEY)
    assert time.monotonic() - started_at > 0.08


def test_calls_before_and_behind_a_fault_are_served(faulty: EmulatorProcess) -> None:
    faulty.set_faults(FaultProfile(calls=(Status(on="batches.list", status=503, skip=2, count=2),)))
    outcomes = [_outcome(faulty, "GET", "/v1/batches") for _ in range(6)]
    assert outcomes == [200, 200, 503, 503, 200, 200]


def test_a_share_of_calls_is_struck_and_the_same_ones_in_each_rehearsal(faulty: EmulatorProcess) -> None:
    def rehearse(seed: int) -> list[str | int]:
        faulty.set_faults(
            FaultProfile(seed=seed, calls=(Drop(on="GET *", share=0.2), Status(on="*", status=503, share=0.2)))
        )
        return [_outcome(faulty, "GET", "/v1/batches") for _ in range(60)]

    first = rehearse(1)
    assert rehearse(1) == first
    assert rehearse(2) != first
    assert 4 <= first.count("closed") <= 22
    assert 3 <= first.count(503) <= 20


def test_a_pattern_strikes_only_what_it_names(faulty: EmulatorProcess) -> None:
    faulty.set_faults(FaultProfile(calls=(Status(on="files.*", status=503), Status(on="POST *", status=502))))
    assert _outcome(faulty, "GET", "/v1/files") == 503
    assert _outcome(faulty, "GET", "/v1/batches") == 200
    assert _outcome(faulty, "POST", "/v1/batches") == 502
    assert _outcome(faulty, "GET", "/health") == 200


def test_a_server_without_a_list_of_files_has_none(faulty: EmulatorProcess, faulty_client: OpenAI) -> None:
    faulty.set_faults(FaultProfile(calls=(Status(on="files.list", status=404),)))
    with pytest.raises(sdk.NotFoundError):
        faulty_client.files.list()
    assert faulty_client.files.retrieve(_upload(faulty_client)).status == "processed"


def test_a_client_that_dies_in_an_upload_leaves_no_trace(emulator: EmulatorProcess) -> None:
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=5)
        connection.putrequest("POST", "/v1/files")
        connection.putheader("Authorization", "Bearer test")
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"--x\r\n")
        connection.close()
    assert _outcome(emulator, "GET", "/v1/files") == 200
    assert not emulator.log_text()
