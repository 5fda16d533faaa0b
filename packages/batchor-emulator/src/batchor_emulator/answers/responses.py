"""Answers of `/v1/responses`."""

from __future__ import annotations

from batchor_emulator.answers.body_check import (
    RESPONSES_PARAMETERS,
    Body,
    check_parameters,
    mapping_at,
    required_model,
    required_value,
    token_limit,
)
from batchor_emulator.answers.draw import Draw
from batchor_emulator.answers.output_text import OutputText, read_format, write_text
from batchor_emulator.answers.prompt import message_texts, text_of, token_count
from batchor_emulator.answers.reply import Reply

_LEAST_OUTPUT_TOKENS = 16


def answer_responses(body: Body, *, name: str, created_at: int) -> Reply:
    """Answer a body of `POST /v1/responses`. Raises `RequestFaultError`."""
    check_parameters(body, RESPONSES_PARAMETERS)
    model = required_model(body)
    texts = _prompt_texts(body)
    text_format = read_format(mapping_at(mapping_at(body, "text"), "format"), param="text.format")
    max_tokens = token_limit(body, "max_output_tokens", _LEAST_OUTPUT_TOKENS)
    output = write_text(texts[-1], Draw(body), text_format, max_tokens=max_tokens, param="text.format.schema")
    input_tokens = token_count("".join(texts) + text_of(body.get("instructions")))
    response = _response(body, output, name=name, model=model, created_at=created_at)
    response["usage"] = _usage(input_tokens, output.token_count)
    return Reply(response, input_tokens, output.token_count)


def _prompt_texts(body: Body) -> list[str]:
    prompt = required_value(body, "input")
    if isinstance(prompt, str):
        return [prompt]
    return message_texts(prompt) or [""]


def _response(body: Body, output: OutputText, *, name: str, model: str, created_at: int) -> dict[str, object]:
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": created_at,
        "status": "incomplete" if output.was_cut else "completed",
        "background": False,
        "completed_at": None if output.was_cut else created_at,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if output.was_cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": model,
        "output": [_message(output, name)],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _message(output: OutputText, name: str) -> dict[str, object]:
    return {
        "id": f"msg_{name}",
        "type": "message",
        "status": "incomplete" if output.was_cut else "completed",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": output.text}],
        "role": "assistant",
    }


def _usage(input_tokens: int, output_tokens: int) -> dict[str, object]:
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }
