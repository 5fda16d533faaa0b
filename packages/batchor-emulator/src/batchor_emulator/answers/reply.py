"""What an endpoint makes of a good body."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """A response body of the published shape, and the tokens that it reports."""

    body: dict[str, object]
    input_tokens: int
    output_tokens: int
