"""What one line of a provider's output says of its request."""

import json
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring as _quoted
from typing import NamedTuple, Self

# Values that are made by the million are not frozen, which would make them four times as dear. Nothing changes them.


@dataclass(slots=True, unsafe_hash=True)
class TokenUsage:
    """Tokens as the provider counted them. Cached ones are part of the input, reasoning ones of the output.

    A value: not to be changed.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


RESPONSE_METADATA_JSON = "[%d,%d,%d,%d,%s]"
"""How a `ResponseMetadata` is stored: the fields of its usage in their order, then `finish_reason_json`."""


def finish_reason_json(finish_reason: str | None) -> str:
    """A JSON string, or `null`."""
    return "null" if finish_reason is None else _quoted(finish_reason)


class ResponseMetadata(NamedTuple):
    """What is kept of a response beside its text. Stored as one text: a database is paid for each value that it gives."""

    usage: TokenUsage = TokenUsage()
    finish_reason: str | None = None

    def to_json(self) -> str:
        usage = self.usage
        tokens = usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens
        return RESPONSE_METADATA_JSON % (*tokens, finish_reason_json(self.finish_reason))

    @classmethod
    def from_json(cls, text: str) -> Self:
        *tokens, finish_reason = json.loads(text)
        return cls(TokenUsage(*tokens), finish_reason)


class LineOutcome(StrEnum):
    """What one output line says of its request."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The model declined to answer."""
    TRUNCATED = "truncated"
    """The answer was cut off at a token limit or by a content filter."""
    EMPTY = "empty"
    """The model answered with nothing."""
    INVALID_OUTPUT = "invalid_output"
    """The model answered with something that the output model does not accept."""
    REQUEST_FAILED = "request_failed"
    """The provider refused this request; the same request will fail again."""
    PROVIDER_FAILED = "provider_failed"
    """The provider had a fault (429, 5xx, status 0); the model did not answer."""
    NOT_RUN = "not_run"
    """The batch ended (expired, cancelled, failed) before this request ran."""
    THROTTLED = "throttled"
    """The batch was not begun, for the provider's queue was full; nothing is counted."""
    UNREADABLE = "unreadable"
    """The line has no shape we know, or its text cannot be stored."""

    @property
    def model_answered(self) -> bool:
        """Whether an attempt was used up."""
        return self in _MODEL_ANSWERED


_HTTP_OK = 200
_MODEL_ANSWERED = frozenset(
    {
        LineOutcome.ANSWERED,
        LineOutcome.REFUSED,
        LineOutcome.TRUNCATED,
        LineOutcome.EMPTY,
        LineOutcome.INVALID_OUTPUT,
        LineOutcome.UNREADABLE,
    }
)


@dataclass(slots=True)
class OutputLine:
    """One decoded line of an output or error file. A value: not to be changed."""

    custom_id: str | None
    """None: the line names no request."""
    outcome: LineOutcome
    text: str | None = None
    """The model's text, of every outcome that has some; without NUL and lone surrogates."""
    finish_reason: str | None = None
    usage: TokenUsage | None = None
    message: str | None = None
    """What is wrong, for every outcome but ANSWERED."""
    code: str | None = None
    status_code: int | None = None
    retry_after_s: float | None = None
    fits_model: bool = True
    """False: the text is no instance of the run's output model."""


type UsualLine = tuple[str, str, str | None, int, int, int, int]
"""What nearly all output lines say, and nothing else: an answer, given whole with HTTP status 200, and its usage.

The custom_id, the text and the finish reason; then the fields of a `TokenUsage` in their order. A plain tuple, for it is made
by the million.
"""


def usual_in_full(usual: UsualLine) -> OutputLine:
    """The same as `RequestCodec.decode` says it."""
    custom_id, text, finish_reason, *tokens = usual
    return OutputLine(custom_id, LineOutcome.ANSWERED, text, finish_reason, TokenUsage(*tokens), None, None, _HTTP_OK)
