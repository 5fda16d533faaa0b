from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openai import OpenAI
from openai.types import Batch, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from batchor_emulator import EmulatorProcess

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Lines = Callable[..., list[dict[str, Any]]]


def test_a_responses_batch_answers_every_request_in_the_published_shape(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    batch = wait(client, start(client, [row(number) for number in range(20)]))
    answered = lines(client, batch.output_file_id)
    assert batch.status == "completed"
    assert {line["custom_id"] for line in answered} == {str(number) for number in range(20)}
    for line in answered:
        assert line["error"] is None
        assert line["response"]["status_code"] == 200
        response = Response.model_validate(line["response"]["body"], strict=True)
        assert response.status == "completed"
        assert f"question {line['custom_id']} " in response.output_text


def test_a_chat_batch_answers_every_request_in_the_published_shape(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    url = "/v1/chat/completions"
    batch = wait(client, start(client, [row(number, url) for number in range(5)], endpoint=url))
    for line in lines(client, batch.output_file_id):
        completion = ChatCompletion.model_validate(line["response"]["body"], strict=True)
        assert completion.choices[0].finish_reason == "stop"
        assert f"question {line['custom_id']} " in (completion.choices[0].message.content or "")


def test_an_embeddings_batch_answers_with_vectors(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    url = "/v1/embeddings"
    rows = [row(1, url, input=["a", "b"], dimensions=8), row(2, url, encoding_format="base64")]
    batch = wait(client, start(client, rows, endpoint=url))
    answers = {line["custom_id"]: line["response"]["body"] for line in lines(client, batch.output_file_id)}
    vectors = CreateEmbeddingResponse.model_validate(answers["1"])
    assert [len(item.embedding) for item in vectors.data] == [8, 8]
    assert sum(value * value for value in vectors.data[0].embedding) == pytest.approx(1)
    assert isinstance(answers["2"]["data"][0]["embedding"], str)


def test_a_batch_passes_through_its_states_with_times_counts_and_usage(
    client: OpenAI, row: Row, start: Start, wait: Start
) -> None:
    created = start(client, [row(1), row(2, temperature=9)], metadata={"run": "r1"})
    assert created.status == "validating"
    done = wait(client, created)
    assert (done.metadata, done.model, done.endpoint) == ({"run": "r1"}, "gpt-test", "/v1/responses")
    counts = done.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (2, 1, 1)
    times = [done.created_at, done.in_progress_at, done.finalizing_at, done.completed_at]
    assert None not in times
    assert done.expires_at == done.created_at + 86_400
    assert done.usage is not None
    assert done.usage.output_tokens > 5


def test_reported_tokens_are_about_a_quarter_of_the_bytes(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    batch = wait(client, start(client, [row(1, input="x" * 400, instructions="y" * 40)]))
    (line,) = lines(client, batch.output_file_id)
    usage = line["response"]["body"]["usage"]
    assert usage["input_tokens"] == 110
    assert usage["total_tokens"] == 110 + usage["output_tokens"]
    assert batch.usage is not None
    assert batch.usage.total_tokens == usage["total_tokens"]


def test_the_same_body_gets_the_same_answer_in_every_batch(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    texts = set()
    for custom_id in ("a", "b"):
        batch = wait(client, start(client, [row(custom_id, input="the same")]))
        (line,) = lines(client, batch.output_file_id)
        texts.add(line["response"]["body"]["output"][0]["content"][0]["text"])
    assert len(texts) == 1


def test_lines_come_in_another_order_than_the_requests(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    batch = wait(client, start(client, [row(number) for number in range(50)]))
    order = [line["custom_id"] for line in lines(client, batch.output_file_id)]
    assert order != [str(number) for number in range(50)]


def test_a_failed_request_has_its_fault_in_the_response_and_no_error(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    batch = wait(client, start(client, [row(1), row(2, nonsense=1)]))
    (failed,) = lines(client, batch.error_file_id)
    assert failed["custom_id"] == "2"
    assert failed["error"] is None
    assert failed["response"]["status_code"] == 400
    assert failed["response"]["body"]["error"] == {
        "message": "Unknown parameter: 'nonsense'.",
        "type": "invalid_request_error",
        "param": "nonsense",
        "code": "unknown_parameter",
    }


def test_a_batch_without_failures_has_no_error_file(client: OpenAI, row: Row, start: Start, wait: Start) -> None:
    batch = wait(client, start(client, [row(1)]))
    assert batch.output_file_id is not None
    assert batch.error_file_id is None


def test_a_batch_without_successes_has_no_output_file(client: OpenAI, row: Row, start: Start, wait: Start) -> None:
    batch = wait(client, start(client, [row(1, input="")]))
    assert batch.status == "completed"
    assert batch.output_file_id is None
    assert batch.error_file_id is not None


@pytest.mark.parametrize(
    "body",
    [
        {"model": None},
        {"input": None},
        {"input": []},
        {"temperature": "hot"},
        {"max_output_tokens": 1},
        {"stream": True},
        {"text": {"format": {"type": "yaml"}}},
        {"text": {"format": {"type": "json_schema", "name": "x"}}},
        {"messages": []},
    ],
)
def test_a_bad_body_is_the_failure_of_its_request_alone(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines, *, body: dict[str, Any]
) -> None:
    batch = wait(client, start(client, [row("good"), row("bad", **body)]))
    assert [line["custom_id"] for line in lines(client, batch.output_file_id)] == ["good"]
    (failed,) = lines(client, batch.error_file_id)
    assert failed["response"]["status_code"] == 400


def test_a_limit_of_output_tokens_makes_a_response_incomplete(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    batch = wait(client, start(client, [row(1, input="long word " * 50, max_output_tokens=16)]))
    (line,) = lines(client, batch.output_file_id)
    response = Response.model_validate(line["response"]["body"])
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage is not None
    assert response.usage.output_tokens == 16
    assert len(response.output_text) == 64


@pytest.mark.parametrize("parameter", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_output_tokens_ends_a_chat_completion_by_length(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines, *, parameter: str
) -> None:
    url = "/v1/chat/completions"
    batch = wait(client, start(client, [row(1, url, **{parameter: 3})], endpoint=url))
    (line,) = lines(client, batch.output_file_id)
    completion = ChatCompletion.model_validate(line["response"]["body"])
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == "You wrote: q"


def test_the_prompt_is_found_in_messages_with_parts(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    messages = [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": [{"type": "input_text", "text": "from a part"}]},
    ]
    batch = wait(client, start(client, [row(1, input=messages)]))
    (line,) = lines(client, batch.output_file_id)
    assert "from a part" in line["response"]["body"]["output"][0]["content"][0]["text"]


def test_a_body_that_is_nested_too_deeply_fails_alone(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    deep: Any = "end"
    for _ in range(30):
        deep = {"type": "object", "properties": {"a": deep}, "required": ["a"], "additionalProperties": False}
    spec = {"format": {"type": "json_schema", "name": "deep", "strict": True, "schema": deep}}
    batch = wait(client, start(client, [row(1), row(2, text=spec)]))
    assert len(lines(client, batch.output_file_id)) == 1
    (failed,) = lines(client, batch.error_file_id)
    assert "levels deep" in failed["response"]["body"]["error"]["message"]


def test_a_request_that_the_emulator_can_not_answer_fails_alone(
    row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    huge = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1e300}}}
    spec = {"format": {"type": "json_schema", "name": "huge", "schema": huge}}
    with (
        EmulatorProcess() as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        batch = wait(openai, start(openai, [row(1), row(2, text=spec)]))
        assert [line["custom_id"] for line in lines(openai, batch.output_file_id)] == ["1"]
        (failed,) = lines(openai, batch.error_file_id)
        assert failed["response"]["status_code"] == 500
        assert failed["response"]["body"]["error"]["type"] == "server_error"
        assert "could not be answered" in process.log_text()
