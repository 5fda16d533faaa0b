"""The body of one request, as OpenAI publishes its shape."""

from typing import Any, assert_never

from batchor_core.domain.job import OutputSchema
from batchor_openai.config import OpenAIEndpoint, OpenAIProviderConfig


def build_body(
    config: OpenAIProviderConfig, *, prompt: str, system_prompt: str | None, schema: OutputSchema | None
) -> dict[str, Any]:
    """The plain body; what the user added comes last, and never replaces what batchor sets."""
    body = _own_fields(config, prompt, system_prompt, schema)
    set_fields = {name: value for name, value in body.items() if value is not None}
    return set_fields | {name: value for name, value in config.extra_body.items() if name not in set_fields}


def _own_fields(
    config: OpenAIProviderConfig, prompt: str, system_prompt: str | None, schema: OutputSchema | None
) -> dict[str, Any]:
    match config.endpoint:
        case OpenAIEndpoint.RESPONSES:
            return _responses_body(config, prompt, system_prompt, schema)
        case OpenAIEndpoint.CHAT_COMPLETIONS:
            return _chat_body(config, prompt, system_prompt, schema)
        case _ as never:
            assert_never(never)


def _responses_body(
    config: OpenAIProviderConfig, prompt: str, system_prompt: str | None, schema: OutputSchema | None
) -> dict[str, Any]:
    return {
        "model": config.model,
        "instructions": system_prompt,
        "input": prompt,
        "text": _added_to(config, "text", "format", _responses_format(schema)),
        "reasoning": _added_to(config, "reasoning", "effort", config.reasoning_effort),
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_output_tokens": config.max_output_tokens,
    }


def _chat_body(
    config: OpenAIProviderConfig, prompt: str, system_prompt: str | None, schema: OutputSchema | None
) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    if system_prompt is not None:
        messages.insert(0, {"role": "system", "content": system_prompt})
    return {
        "model": config.model,
        "messages": messages,
        "response_format": None if schema is None else {"type": "json_schema", "json_schema": _named(schema)},
        "reasoning_effort": config.reasoning_effort,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_completion_tokens": config.max_output_tokens,
        "seed": config.seed,
    }


def _responses_format(schema: OutputSchema | None) -> dict[str, Any] | None:
    return None if schema is None else {"type": "json_schema", **_named(schema)}


def _named(schema: OutputSchema) -> dict[str, Any]:
    return {"name": schema.name, "schema": schema.schema, "strict": True}


def _added_to(config: OpenAIProviderConfig, key: str, inner: str, value: object) -> dict[str, Any] | None:
    """The object *key* with our field beside those that the user added to it."""
    return None if value is None else {**config.extra_body.get(key, {}), inner: value}
