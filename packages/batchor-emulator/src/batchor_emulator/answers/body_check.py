"""Checks that every endpoint makes of a request body before it answers."""

from __future__ import annotations

from collections.abc import Mapping

from batchor_emulator.answers.request_fault import RequestFaultError

# fmt: off
RESPONSES_PARAMETERS = frozenset(
    {
        "access_programs", "background", "background_options", "context_management", "conversation", "image", "include",
        "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "moderation",
        "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options",
        "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
    }
)
CHAT_PARAMETERS = frozenset(
    {
        "messages", "model", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
        "max_completion_tokens", "max_tokens", "metadata", "modalities", "moderation", "n", "parallel_tool_calls",
        "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
        "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
        "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
        "web_search_options",
    }
)
# fmt: on
EMBEDDINGS_PARAMETERS = frozenset({"input", "model", "dimensions", "encoding_format", "user"})

type Body = dict[str, object]


def check_parameters(body: Body, known: frozenset[str]) -> None:
    """Refuse parameters that the endpoint does not have, and streaming, which a batch can't do."""
    unknown = body.keys() - known
    if unknown:
        name = min(unknown)
        raise RequestFaultError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    if body.get("stream"):
        raise RequestFaultError("Streaming is not supported in the Batch API.", param="stream")
    number_between(body, "temperature", 0, 2)
    number_between(body, "top_p", 0, 1)


def required_model(body: Body) -> str:
    """The model's name."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestFaultError("you must provide a model parameter", param="model")
    return model


def required_value(body: Body, name: str) -> object:
    """A parameter that must be there and must not be empty."""
    value = body.get(name)
    if value is None or value in ("", []):
        raise RequestFaultError(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    return value


def number_between(body: Body, name: str, low: float, high: float) -> None:
    """Refuse a number out of its bounds, and what is no number. A missing one is fine."""
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestFaultError(
            f"Invalid type for '{name}': expected a decimal, but got {type(value).__name__} instead.",
            param=name,
            code="invalid_type",
        )
    if not low <= value <= high:
        bound = "decimal_above_max_value" if value > high else "decimal_below_min_value"
        raise RequestFaultError(
            f"Invalid '{name}': expected a value between {low} and {high}, but got {value} instead.",
            param=name,
            code=bound,
        )


def token_limit(body: Body, name: str, least: int) -> int | None:
    """A limit of output tokens; None when the body sets none."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestFaultError(f"Invalid type for '{name}': expected an integer.", param=name, code="invalid_type")
    if value < least:
        raise RequestFaultError(
            f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {value} instead.",
            param=name,
            code="integer_below_min_value",
        )
    return value


def mapping_at(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An optional parameter that must be an object; empty when it is missing."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestFaultError(f"Invalid type for '{name}': expected an object.", param=name, code="invalid_type")
    return value
