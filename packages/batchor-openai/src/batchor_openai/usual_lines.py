"""The usual line, read the short way: one text, given whole, with its token counts.

The shapes here are strict. A line that differs in anything that matters does not fit, and is left to `response_codec`,
which says the same of usual lines and something of all others.
"""

from typing import Annotated, Literal

import msgspec

from batchor_core.domain.results import UsualLine
from batchor_openai.answers import MAX_COUNT

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]

type _Counts = tuple[int, int, int, int]
"""Input, output, cached and reasoning tokens."""


class _Details(msgspec.Struct, gc=False, frozen=True):
    cached_tokens: _Count = 0
    reasoning_tokens: _Count = 0


_NO_DETAILS = _Details()


class _Usage(msgspec.Struct, gc=False):
    """The names of one endpoint each; the other's are None."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    input_tokens_details: _Details = _NO_DETAILS
    output_tokens_details: _Details = _NO_DETAILS
    prompt_tokens_details: _Details = _NO_DETAILS
    completion_tokens_details: _Details = _NO_DETAILS


class _Part(msgspec.Struct, gc=False):
    text: _Text
    refusal: None = None


class _Message(msgspec.Struct, gc=False):
    """One of `output`."""

    type: Literal["message"]
    content: tuple[_Part]
    refusal: None = None


class _ChatMessage(msgspec.Struct, gc=False):
    content: _Text
    refusal: None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: Literal["stop"]
    message: _ChatMessage


class _Body(msgspec.Struct, gc=False):
    """Of either endpoint."""

    usage: _Usage
    status: Literal["completed"] | None = None
    output: tuple[_Message] | None = None
    choices: tuple[_Choice] | None = None


class _Response(msgspec.Struct, gc=False):
    status_code: Literal[200]
    body: _Body


class _Line(msgspec.Struct, gc=False):
    custom_id: str
    response: _Response
    error: None = None


_LINE = msgspec.json.Decoder(_Line)


def read_usual(line: bytes) -> UsualLine | None:
    """What a usual line says; None for every other."""
    try:
        usual = _LINE.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    body = usual.response.body
    if body.choices is not None:
        text, reason, usage = body.choices[0].message.content, "stop", _chat_usage(body.usage)
    elif body.output is not None and body.status is not None:
        text, reason, usage = body.output[0].content[0].text, "completed", _response_usage(body.usage)
    else:
        return None
    if usage is None or "\x00" in text or "\x00" in usual.custom_id:
        return None
    return UsualLine(usual.custom_id, text, reason, *usage)


def _response_usage(usage: _Usage) -> _Counts | None:
    """None where the counts have the other endpoint's names, or are not there."""
    ingoing, outgoing = usage.input_tokens, usage.output_tokens
    if ingoing is None or outgoing is None or usage.prompt_tokens is not None or usage.completion_tokens is not None:
        return None
    return ingoing, outgoing, usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens


def _chat_usage(usage: _Usage) -> _Counts | None:
    ingoing, outgoing = usage.prompt_tokens, usage.completion_tokens
    if ingoing is None or outgoing is None:
        return None
    return (
        ingoing,
        outgoing,
        usage.prompt_tokens_details.cached_tokens,
        usage.completion_tokens_details.reasoning_tokens,
    )
