"""Every shape of output line that was seen of OpenAI and of servers that speak its API."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchor_core.domain.output_line import LineOutcome, OutputLine, TokenUsage
from batchor_openai.response_codec import decode_line

ID = "ab12cd34-1"


def decoded(response: object, *, error: object = None, **fields: object) -> OutputLine:
    return decode_line(
        json.dumps({"id": "batch_req_1", "custom_id": ID, "response": response, "error": error, **fields}).encode()
        + b"\n"
    )


def ok(body: object) -> dict[str, object]:
    return {"status_code": 200, "request_id": "req_1", "body": body}


def chat(message: object, *, finish_reason: object = "stop", **fields: object) -> dict[str, object]:
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        **fields,
    }


def response(*content: object, status: object = "completed", **fields: object) -> dict[str, object]:
    message = {"type": "message", "role": "assistant", "content": list(content)}
    return {"object": "response", "status": status, "output": [{"type": "reasoning", "summary": []}, message], **fields}


def text(value: str) -> dict[str, object]:
    return {"type": "output_text", "text": value, "annotations": []}


CHAT_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
RESPONSES_USAGE = {
    "input_tokens": 10,
    "output_tokens": 20,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens_details": {"reasoning_tokens": 4},
}


@pytest.mark.parametrize(
    "body",
    [
        chat({"role": "assistant", "content": "Nile", "refusal": None}, usage=CHAT_USAGE),
        chat({"content": [{"type": "text", "text": "Ni"}, {"type": "text", "text": "le"}]}, usage=CHAT_USAGE),
        response(text("Nile"), usage=RESPONSES_USAGE),
        response(text("Ni"), text("le"), usage=RESPONSES_USAGE),
        json.dumps(response(text("Nile"), usage=RESPONSES_USAGE)),
    ],
    ids=["chat", "chat parts", "responses", "responses parts", "body as text"],
)
def test_an_answer_comes_with_its_text_and_usage(body: object) -> None:
    line = decoded(ok(body))
    assert (line.custom_id, line.outcome, line.text) == (ID, LineOutcome.ANSWERED, "Nile")
    assert line.usage == TokenUsage(10, 20, 3, 4)
    assert (line.status_code, line.message) == (200, None)


@pytest.mark.parametrize("finish_reason", ["stop", None, "eos", 7])
def test_an_unknown_finish_reason_does_not_spoil_an_answer(finish_reason: object) -> None:
    assert decoded(ok(chat({"content": "Nile"}, finish_reason=finish_reason))).outcome is LineOutcome.ANSWERED


def test_remarks_on_the_way_are_left_out_of_the_answer() -> None:
    body = {
        "status": "completed",
        "output": [
            {"type": "message", "phase": "commentary", "content": [text("Let me see.")]},
            {"type": "message", "phase": "final_answer", "content": [text("Nile")]},
        ],
    }
    assert decoded(ok(body)).text == "Nile"


@pytest.mark.parametrize(
    "body",
    [
        chat({"content": None, "refusal": "I cannot do that."}),
        response({"type": "refusal", "refusal": "I cannot do that."}),
        response({"type": "refusal", "refusal": "I cannot do that."}, status="incomplete"),
    ],
    ids=["chat", "responses", "incomplete"],
)
def test_a_refusal_is_told_in_the_models_words(body: object) -> None:
    line = decoded(ok(body))
    assert line.outcome is LineOutcome.REFUSED
    assert line.message == "the model refused: I cannot do that."
    assert line.text == "I cannot do that."


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (chat({"content": "Ni"}, finish_reason="length"), "length"),
        (chat({"content": "Ni"}, finish_reason="content_filter"), "content_filter"),
        (
            response(text("Ni"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "max_output_tokens",
        ),
        (response(text("Ni"), status="incomplete", incomplete_details=None), "incomplete"),
    ],
)
def test_an_answer_that_was_cut_off_keeps_its_text(body: object, reason: str) -> None:
    line = decoded(ok(body))
    assert (line.outcome, line.text, line.finish_reason) == (LineOutcome.TRUNCATED, "Ni", reason)


@pytest.mark.parametrize(
    "body",
    [
        chat({"content": ""}),
        chat({"content": None}),
        chat({"content": {"text": "no list"}}),
        chat({"content": None, "tool_calls": [{"type": "function"}]}, finish_reason="tool_calls"),
        chat(None),
        {"choices": []},
        {"output": []},
        response(),
        response("no object", 7, None, {"type": "output_text", "text": None}),
    ],
    ids=repr,
)
def test_no_text_is_an_empty_answer(body: object) -> None:
    line = decoded(ok(body))
    assert (line.outcome, line.text) == (LineOutcome.EMPTY, None)
    assert line.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, "400"], ids=repr)
def test_a_refused_request_is_told_with_its_code(status: object) -> None:
    body = {"error": {"message": "Unknown model.", "type": "invalid_request_error", "code": "model_not_found"}}
    line = decoded({"status_code": status, "body": body})
    assert line.outcome is LineOutcome.REQUEST_FAILED
    assert (line.message, line.code, line.status_code) == ("Unknown model.", "model_not_found", int(str(status)))


def test_a_key_in_the_reason_of_a_failure_is_not_kept() -> None:
    error = {"code": "invalid_api_key", "message": "Incorrect API key provided: sk-proj-abc123canary."}
    line = decoded({"status_code": 401, "body": {"error": error}})
    assert line.message is not None
    assert "canary" not in line.message
    assert "Incorrect API key provided" in line.message


@pytest.mark.parametrize("status", [0, 408, 409, 429, 500, 502, 503, 529])
@pytest.mark.parametrize("body", [{}, None, "", {"error": {"message": "Overloaded."}}, "{}"], ids=repr)
def test_a_fault_of_the_provider_uses_no_attempt_up(status: int, body: object) -> None:
    line = decoded({"status_code": status, "body": body})
    assert line.outcome is LineOutcome.PROVIDER_FAILED
    assert line.status_code == status
    assert not line.outcome.model_answered


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
@pytest.mark.parametrize("answer", [None, {"status_code": 0, "body": {}}], ids=repr)
def test_a_line_that_the_batch_did_not_reach_was_not_run(code: str, answer: object) -> None:
    line = decoded(answer, error={"code": code, "message": "This request could not be executed."})
    assert (line.outcome, line.code) == (LineOutcome.NOT_RUN, code)
    assert line.message == "This request could not be executed."


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ({"code": "server_error", "message": "m"}, LineOutcome.PROVIDER_FAILED),
        ({"code": "never_heard_of", "message": "m"}, LineOutcome.PROVIDER_FAILED),
        ({"code": "rate_limit_exceeded", "message": "m"}, LineOutcome.PROVIDER_FAILED),
        ({"code": 503, "message": "m"}, LineOutcome.PROVIDER_FAILED),
        ({"message": "m"}, LineOutcome.PROVIDER_FAILED),
        ("m", LineOutcome.PROVIDER_FAILED),
        ({"code": "invalid_prompt", "message": "m"}, LineOutcome.REQUEST_FAILED),
        ({"type": "invalid_request_error", "message": "m"}, LineOutcome.REQUEST_FAILED),
        ({"code": "context_length_exceeded", "message": "m"}, LineOutcome.REQUEST_FAILED),
        ({"code": 400, "message": "m"}, LineOutcome.REQUEST_FAILED),
    ],
    ids=repr,
)
def test_an_error_without_a_status_is_judged_by_its_code(error: object, outcome: LineOutcome) -> None:
    without_response = decode_line(json.dumps({"custom_id": ID, "error": error}).encode())
    in_the_body = decoded(ok({"error": error}))
    failed = decoded(ok({"status": "failed", "output": [], "error": error}))
    for line in (without_response, in_the_body, failed):
        assert (line.custom_id, line.outcome, line.message) == (ID, outcome, "m")


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "in_progress"])
def test_a_response_that_did_not_end_well_is_the_providers_fault(status: str) -> None:
    line = decoded(ok({"status": status, "output": [], "error": None}))
    assert line.outcome is LineOutcome.PROVIDER_FAILED
    assert status in str(line.message)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        7,
        [],
        {},
        {"input_tokens": None, "input_tokens_details": None},
        {"input_tokens": "many"},
        {"input_tokens": -1},
        {"input_tokens": 10**30},
    ],
    ids=repr,
)
def test_counts_that_are_none_do_not_spoil_an_answer(usage: object) -> None:
    line = decoded(ok(response(text("Nile"), usage=usage)))
    assert line.outcome is LineOutcome.ANSWERED
    assert line.usage in {None, TokenUsage()}


def test_a_count_that_is_a_float_is_read() -> None:
    assert decoded(ok(response(text("Nile"), usage={"input_tokens": 10.0}))).usage == TokenUsage(10)


@pytest.mark.parametrize(
    "answer", [None, 7, "text", [], {}, ok(None), ok({}), ok([]), ok({"data": [{"embedding": []}]})], ids=repr
)
def test_a_line_without_answer_or_error_is_unreadable(answer: object) -> None:
    line = decoded(answer)
    assert (line.custom_id, line.outcome) == (ID, LineOutcome.UNREADABLE)
    assert line.message


@pytest.mark.parametrize(
    "line",
    [
        b'{"custom_id":"ab12cd34-1","response":{"status_code":200,"body":{"choices":[{"message":{"content":"\\ud83d"}}]}}}',
        b'{"custom_id":"ab12cd34-1","response":{"status_code":200,"body":{"choices":[{"message":{"content":"\xff"}}]}}}',
        b'{"custom_id":"ab12cd34-1","response":{"status_code":200,"body":{"choices":[{"message":{"content":"a\\u0000"}}]}}}',
        b'{"custom_id":"ab12cd34-1","response":{"status_code":200,"body":{"usage":NaN}}}',
        b'{"custom_id":"ab12cd34-1","response":{"status_code":200,"body":"{not json"}}',
        b'{"custom_id":"ab12cd34-1","response":{"status_code":200,"body":"' + b"[" * 100_000 + b'"}}',
        b'{"custom_id":"ab12cd34-1","response":' + b"[" * 100_000,
        b'{"custom_id":"ab12cd34-1","response":{"status_co',
        b'{"custom_id":"ab12cd34-1","response":1e999}',
    ],
    ids=["half a pair", "not utf-8", "NUL", "NaN", "body text", "deep body text", "deep", "cut", "infinite"],
)
def test_a_spoiled_line_still_tells_whose_it_is(line: bytes) -> None:
    decoded_line = decode_line(line)
    assert (decoded_line.custom_id, decoded_line.outcome) == (ID, LineOutcome.UNREADABLE)
    assert decoded_line.text is None
    assert decoded_line.message


def test_a_spoiled_line_with_two_ids_belongs_to_nobody() -> None:
    assert decode_line(b'{"custom_id":"a-1","x":{"custom_id":"a-2"},').custom_id is None


def test_an_id_within_a_text_is_not_the_lines_own() -> None:
    spoiled = json.dumps({"text": '"custom_id": "a-2"', "custom_id": "a-1"}).encode()[:-1]
    assert decode_line(spoiled).custom_id == "a-1"


@pytest.mark.parametrize("custom_id", [None, 7, [], {}, "a\x00b"], ids=repr)
def test_an_id_that_is_no_text_is_no_id(custom_id: object) -> None:
    assert (
        decode_line(json.dumps({"custom_id": custom_id, "response": ok(chat({"content": "Nile"}))}).encode()).custom_id
        is None
    )


def test_messages_are_kept_short_and_storable() -> None:
    line = decoded({"status_code": 400, "body": {"error": {"message": "a\x00" * 10_000}}})
    assert line.message is not None
    assert "\x00" not in line.message
    assert len(line.message) <= 1000


def test_unknown_fields_are_passed_over() -> None:
    assert decoded(ok(response(text("Nile"), new_field={"a": [1]})), new_field=[{}]).outcome is LineOutcome.ANSWERED


_SPOILED = st.sampled_from([None, True, 7, -1.5, "text", "", [], [[]], {}, {"type": []}, [None, {}], 10**40])


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_any_value_in_any_place_of_a_line_is_survived(data: st.DataObject) -> None:
    body = data.draw(
        st.sampled_from(
            [
                chat({"content": "Nile"}, usage=CHAT_USAGE),
                response(text("Nile"), usage=RESPONSES_USAGE),
                {"error": {"code": "c"}},
            ]
        )
    )
    line: Any = json.loads(json.dumps({"custom_id": ID, "response": ok(body), "error": {"code": "c", "message": "m"}}))
    place = line
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list):
            place[key] = data.draw(_SPOILED)
            break
        place = place[key]
    assert isinstance(decode_line(json.dumps(line).encode()), OutputLine)
