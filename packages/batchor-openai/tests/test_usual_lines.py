"""The short way of decoding against the one for all lines: they say the same of every line."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from batchor_core.domain.output_line import LineOutcome, OutputLine, TokenUsage, UsualLine, usual_in_full
from batchor_openai.response_codec import decode_line
from batchor_openai.usual_lines import read_usual_chat, read_usual_response

RESPONSE: dict[str, Any] = {
    "id": "batch_req_1",
    "custom_id": "5eed0bee-17",
    "response": {
        "status_code": 200,
        "request_id": "req_1",
        "body": {
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "choices": None,
            "message": None,
            "output": [
                {
                    "type": "message",
                    "phase": None,
                    "refusal": None,
                    "tool_calls": None,
                    "content": [
                        {"type": "output_text", "annotations": [], "text": "Lima é 😀 \u2028", "refusal": None}
                    ],
                }
            ],
            "usage": {
                "input_tokens": 52,
                "input_tokens_details": {"cached_tokens": 7},
                "output_tokens": 21,
                "output_tokens_details": {"reasoning_tokens": 3},
                "total_tokens": 73,
                "prompt_tokens": None,
                "completion_tokens": None,
            },
        },
    },
    "error": None,
}
CHAT: dict[str, Any] = {
    "custom_id": "5eed0bee-17",
    "response": {
        "status_code": 200,
        "body": {
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "Lima", "refusal": None, "tool_calls": None},
                }
            ],
            "usage": {
                "prompt_tokens": 52,
                "completion_tokens": 21,
                "prompt_tokens_details": {"cached_tokens": 7},
                "completion_tokens_details": {"reasoning_tokens": 3},
                "input_tokens": None,
            },
        },
    },
    "error": None,
}
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1.0, 1.5, 2**31 - 1, 2**31, 10**30, 429, "", "x", "a\x00b", "null", "{}", "length", "stop",
    "failed", "incomplete", "message", "reasoning", "commentary", [], [None], ["x"], [{}], {}, {"code": "batch_expired"},
    {"message": "no"}, {"reason": "max_output_tokens"}, {"text": "more"}, {"content": "more"}, {"content": None},
    {"type": "message", "content": [{"text": "more"}]}, [{"text": "a"}, {"text": "b"}], [{"type": "reasoning"}],
]  # fmt: skip


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def places(value: object, *above: Any) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in *value*."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*above, key)
        yield from places(member, *above, key)


def changed(whole: dict[str, Any], path: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """*whole* without what is at *path*, with it twice where it is in a list, and with each odd value in its stead."""
    for value in ODD_VALUES:
        copy = deepcopy(whole)
        container = within(copy, path[:-1])
        container[path[-1]] = value
        yield copy
    copy = deepcopy(whole)
    container = within(copy, path[:-1])
    if isinstance(container, list):
        container.append(deepcopy(container[path[-1]]))
    else:
        del container[path[-1]]
    yield copy


def within(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize("whole", [RESPONSE, CHAT], ids=["responses", "chat"])
def test_a_line_that_differs_anywhere_is_read_as_without_the_short_way(whole: dict[str, Any]) -> None:
    lines = [line(other) for path in places(whole) for other in changed(whole, path)]
    assert len(lines) > 500
    assert [each for each in lines if not agree(each)] == []
    assert any(read_usual(each) is not None for each in lines)


def read_usual(raw: bytes) -> UsualLine | None:
    """What the endpoint's way says to which the line belongs; to the other it is no usual line."""
    response, chat = read_usual_response(raw), read_usual_chat(raw)
    assert response is None or chat is None
    return response or chat


def agree(raw: bytes) -> bool:
    """Whether the short way leaves a line to the other, or says the same of it."""
    usual = read_usual(raw)
    return usual is None or usual_in_full(usual) == decode_line(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"[]", b"{", b"\xff", b'{"custom_id": "5eed0bee-17"}', line(RESPONSE)[:-9], b"[" * 10_000]
)
def test_what_is_no_usual_line_is_left_to_the_other_way(raw: bytes) -> None:
    assert read_usual(raw) is None


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\ud83d\\ude00", "\\u2028", "\xad"])
def test_escapes_in_a_text_are_read_alike_in_both_ways(text: str) -> None:
    assert agree(line(CHAT).replace(b"Lima", text.encode()))


@pytest.mark.parametrize(("whole", "reason"), [(RESPONSE, "completed"), (CHAT, "stop")], ids=["responses", "chat"])
def test_a_usual_line_takes_the_short_way(whole: dict[str, Any], reason: str) -> None:
    text = decode_line(line(whole)).text
    assert read_usual(line(whole)) == ("5eed0bee-17", text, reason, 52, 21, 7, 3)
    usage = TokenUsage(52, 21, 7, 3)
    expected = OutputLine("5eed0bee-17", LineOutcome.ANSWERED, text, reason, usage, status_code=200)
    assert decode_line(line(whole)) == expected
