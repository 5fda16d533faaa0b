"""Answers of `/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping

from batchor_emulator.answers.body_check import (
    CHAT_PARAMETERS,
    Body,
    check_parameters,
    mapping_at,
    required_model,
    required_value,
    token_limit,
)
from batchor_emulator.answers.draw import Draw
from batchor_emulator.answers.output_text import OutputText, TextFormat, read_format, write_text
from batchor_emulator.answers.prompt import MESSAGE_TOKENS, message_texts, token_count
from batchor_emulator.answers.reply import Reply
from batchor_emulator.answers.request_fault import RequestFaultError


def answer_chat(body: Body, *, name: str, created_at: int) -> Reply:
    """Answer a body of `POST /v1/chat/completions`. Raises `RequestFaultError`."""
    check_parameters(body, CHAT_PARAMETERS)
    model = required_model(body)
    texts = _message_texts(body)
    text_format = _format(mapping_at(body, "response_format"))
    output = write_text(texts[-1], Draw(body), text_format, max_tokens=_limit(body), param="response_format")
    input_tokens = token_count("".join(texts)) + MESSAGE_TOKENS * len(texts)
    completion: dict[str, object] = {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": created_at,
        "model": model,
        "choices": [_choice(output)],
        "usage": _usage(input_tokens, output.token_count),
        "service_tier": "default",
        "system_fingerprint": None,
    }
    return Reply(completion, input_tokens, output.token_count)


def _message_texts(body: Body) -> list[str]:
    texts = message_texts(required_value(body, "messages"))
    if not texts:
        raise RequestFaultError(
            "Invalid type for 'messages': expected an array of objects.", param="messages", code="invalid_type"
        )
    return texts


def _format(spec: Mapping[str, object]) -> TextFormat:
    if spec.get("type") != "json_schema":
        return read_format(spec, param="response_format")
    return read_format({**mapping_at(spec, "json_schema"), "type": "json_schema"}, param="response_format.json_schema")


def _limit(body: Body) -> int | None:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise RequestFaultError(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    newer = token_limit(body, "max_completion_tokens", 1)
    return token_limit(body, "max_tokens", 1) if newer is None else newer


def _choice(output: OutputText) -> dict[str, object]:
    return {
        "index": 0,
        "message": {"role": "assistant", "content": output.text, "refusal": None, "annotations": []},
        "logprobs": None,
        "finish_reason": "length" if output.was_cut else "stop",
    }


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, object]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
