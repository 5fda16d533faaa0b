from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import Batch

from batchor_emulator import EmulatorProcess

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]


@pytest.fixture(scope="module")
def small_client() -> Iterator[OpenAI]:
    """A client of an emulator with small limits."""
    limits = ["--max-requests=3", "--max-embedding-inputs=4", "--validation-s=0.01"]
    with (
        EmulatorProcess(arguments=limits) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        yield openai


def _faults(batch: Batch) -> list[tuple[str | None, int | None]]:
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.object == "list"
    assert batch.output_file_id is None
    assert batch.error_file_id is None
    return [(fault.code, fault.line) for fault in batch.errors.data or []]


def test_faults_of_lines_are_reported_with_their_numbers(client: OpenAI, row: Row, start: Start, wait: Start) -> None:
    rows = [
        json.dumps(row(1)),
        "{broken",
        json.dumps(row(1)),
        json.dumps({**row(4), "custom_id": None}),
        json.dumps({**row(5), "method": "GET"}),
        json.dumps({**row(6), "url": "/v1/chat/completions"}),
        json.dumps(row(7, model="another")),
        json.dumps({**row(8), "body": "text"}),
        "[]",
        json.dumps(row(10)),
    ]
    batch = wait(client, start(client, "\n".join(rows).encode()))
    assert _faults(batch) == [
        ("invalid_json_line", 2),
        ("duplicate_custom_id", 3),
        ("missing_required_parameter", 4),
        ("invalid_method", 5),
        ("invalid_url", 6),
        ("mismatched_model", 7),
        ("missing_required_parameter", 8),
        ("invalid_json_line", 9),
    ]
    assert batch.failed_at is not None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b'\xef\xbb\xbf{"custom_id": "1"}', "invalid_json_line"),
        (b'{"custom_id": "\xff"}', "invalid_json_line"),
        (b'{"custom_id": "\\ud800"}', "invalid_json_line"),
        (b'{"custom_id": NaN}', "invalid_json_line"),
        (b"[" * 100_000, "invalid_json_line"),
    ],
)
def test_an_unusable_file_fails_its_batch(client: OpenAI, start: Start, wait: Start, content: bytes, code: str) -> None:
    assert [found for found, _ in _faults(wait(client, start(client, content)))] == [code]


def test_at_most_a_thousand_faults_are_reported(client: OpenAI, start: Start, wait: Start) -> None:
    assert len(_faults(wait(client, start(client, b"x\n" * 5_000)))) == 1_000


def test_more_requests_than_allowed_fail_the_batch(small_client: OpenAI, row: Row, start: Start, wait: Start) -> None:
    batch = wait(small_client, start(small_client, [row(number) for number in range(4)]))
    assert _faults(batch) == [("too_many_requests", None)]


def test_as_many_requests_as_allowed_are_run(small_client: OpenAI, row: Row, start: Start, wait: Start) -> None:
    batch = wait(small_client, start(small_client, [row(number) for number in range(3)]))
    assert batch.status == "completed"


def test_more_embedding_inputs_than_allowed_fail_the_batch(
    small_client: OpenAI, row: Row, start: Start, wait: Start
) -> None:
    url = "/v1/embeddings"
    rows = [row(number, url, input=["a", "b", "c"]) for number in range(2)]
    batch = wait(small_client, start(small_client, rows, endpoint=url))
    assert _faults(batch) == [("too_many_embedding_inputs", None)]


def test_a_file_that_is_deleted_before_it_is_validated_fails_the_batch(row: Row, start: Start, wait: Start) -> None:
    with (
        EmulatorProcess(arguments=["--validation-s=0.3"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        batch = start(openai, [row(1)])
        openai.files.delete(batch.input_file_id)
        assert _faults(wait(openai, batch)) == [("invalid_file", None)]


def test_a_file_that_is_deleted_after_it_was_validated_is_not_missed(row: Row, start: Start, wait: Start) -> None:
    with (
        EmulatorProcess(arguments=["--run-s=0.3"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        batch = wait(openai, start(openai, [row(1)]), "in_progress")
        openai.files.delete(batch.input_file_id)
        assert wait(openai, batch).status == "completed"


def test_a_batch_over_an_unknown_file_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="Cannot find file file-nowhere"):
        client.batches.create(input_file_id="file-nowhere", endpoint="/v1/responses", completion_window="24h")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"endpoint": "/v1/nowhere"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 3_599}}, "output_expires_after.seconds"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_create_with_a_bad_parameter_is_refused(client: OpenAI, change: dict[str, Any], param: str) -> None:
    file = client.files.create(file=("input.jsonl", b"{}"), purpose="batch")
    good = {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h"}
    with pytest.raises(BadRequestError) as caught:
        client.post("/batches", body={**good, **change}, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_the_largest_metadata_is_kept(client: OpenAI, row: Row, start: Start) -> None:
    metadata = {f"{number:064}": "v" * 512 for number in range(16)}
    assert start(client, [row(1)], metadata=metadata).metadata == metadata


def test_a_batch_over_a_file_of_another_purpose_is_refused(client: OpenAI) -> None:
    file = client.files.create(file=("input.jsonl", b"{}"), purpose="user_data")
    with pytest.raises(BadRequestError, match="user_data"):
        client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")


def test_a_batch_that_does_not_exist_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="No batch found with id 'batch_nowhere'"):
        client.batches.retrieve("batch_nowhere")
