"""Answers of `/v1/embeddings`: vectors that follow from the text, and mean nothing."""

from __future__ import annotations

import base64
import math
from array import array
from hashlib import shake_128

from batchor_emulator.answers.body_check import (
    EMBEDDINGS_PARAMETERS,
    Body,
    check_parameters,
    required_model,
    required_value,
    token_limit,
)
from batchor_emulator.answers.prompt import token_count
from batchor_emulator.answers.reply import Reply
from batchor_emulator.answers.request_fault import RequestFaultError

_DEFAULT_DIMENSIONS = 1_536
_MAX_DIMENSIONS = 3_072


def answer_embeddings(body: Body, *, name: str, created_at: int) -> Reply:  # noqa: ARG001 (nothing in it has an id)
    """Answer a body of `POST /v1/embeddings`. Raises `RequestFaultError`."""
    check_parameters(body, EMBEDDINGS_PARAMETERS)
    model = required_model(body)
    texts = _texts(required_value(body, "input"))
    dimensions = token_limit(body, "dimensions", 1) or _DEFAULT_DIMENSIONS
    if dimensions > _MAX_DIMENSIONS:
        raise RequestFaultError(f"Invalid 'dimensions': at most {_MAX_DIMENSIONS}.", param="dimensions")
    as_base64 = body.get("encoding_format") == "base64"
    data = [_embedding(index, text, dimensions, as_base64=as_base64) for index, text in enumerate(texts)]
    tokens = sum(token_count(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply({"object": "list", "data": data, "model": model, "usage": usage}, tokens, 0)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        texts = [text for text in value if isinstance(text, str)]
        if len(texts) == len(value):
            return texts
    raise RequestFaultError("'input' must be a string or a list of strings here.", param="input", code="invalid_type")


def _embedding(index: int, text: str, dimensions: int, *, as_base64: bool) -> dict[str, object]:
    raw = array("h", shake_128(text.encode()).digest(2 * dimensions))
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    vector = [value / length for value in raw]
    encoded = base64.b64encode(array("f", vector).tobytes()).decode() if as_base64 else vector
    return {"object": "embedding", "index": index, "embedding": encoded}
