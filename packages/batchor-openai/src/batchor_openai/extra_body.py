"""Fields that a user adds to each request, apart from those that batchor sets."""

from collections.abc import Mapping
from typing import Any

import msgspec

from batchor_core.errors import ConfigurationError

_SET_BY: Mapping[str, str] = {
    "model": "give model= instead",
    "input": "return the prompt from build_prompt",
    "messages": "return the prompt from build_prompt",
    "instructions": "return PromptParts(system_prompt=…) from build_prompt",
    "response_format": "give structured_output= to the job",
    "reasoning_effort": "give reasoning_effort= instead",
    "temperature": "give temperature= instead",
    "top_p": "give top_p= instead",
    "max_output_tokens": "give max_output_tokens= instead",
    "max_completion_tokens": "give max_output_tokens= instead",
    "seed": "give seed= instead",
    "stream": "a batch cannot stream",
    "n": "one answer is read per item",
}

_SET_WITHIN: Mapping[tuple[str, str], str] = {
    ("text", "format"): "give structured_output= to the job",
    ("reasoning", "effort"): "give reasoning_effort= instead",
}
"""Objects that batchor and the user may both add to."""


def check_extra_body(extra: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of *extra* as plain JSON; `ConfigurationError` for fields that batchor sets itself."""
    copy = _as_json(extra)
    for key, remedy in _SET_BY.items():
        if key in copy:
            raise ConfigurationError(f"extra_body holds {key!r}, which batchor sets itself: {remedy}")
    for (key, inner), remedy in _SET_WITHIN.items():
        if key in copy and (not isinstance(copy[key], dict) or inner in copy[key]):
            raise ConfigurationError(f"extra_body may add to {key!r}, but not set {inner!r} in it: {remedy}")
    return copy


def _as_json(extra: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return msgspec.json.decode(msgspec.json.encode(dict(extra)), type=dict[str, Any])
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"extra_body is not a JSON object: {error}") from error
