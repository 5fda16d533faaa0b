"""The usual line, read the short way: one text, given whole, with its token counts.

The shapes here are strict. A line that differs in anything that matters does not fit, and is left to `response_codec`,
which says the same of usual lines and something of all others.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import msgspec

from batchor_core.domain.output_line import UsualLine
from batchor_openai.answers import MAX_COUNT
from batchor_openai.config import OpenAIEndpoint

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Details(msgspec.Struct, gc=False, frozen=True):
    cached_tokens: _Count = 0
    reasoning_tokens: _Count = 0


_NO_DETAILS = _Details()


class _Part(msgspec.Struct, gc=False):
    text: _Text
    refusal: None = None


class _Message(msgspec.Struct, gc=False):
    """One of `output`."""

    type: Literal["message"]
    content: tuple[_Part]
    refusal: None = None


class _ResponseUsage(msgspec.Struct, gc=False):
    input_tokens: _Count
    output_tokens: _Count
    input_tokens_details: _Details = _NO_DETAILS
    output_tokens_details: _Details = _NO_DETAILS
    prompt_tokens: None = None
    completion_tokens: None = None


class _ResponseBody(msgspec.Struct, gc=False):
    usage: _ResponseUsage
    status: Literal["completed"]
    output: tuple[_Message]
    choices: None = None


class _ChatMessage(msgspec.Struct, gc=False):
    content: _Text
    refusal: None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: Literal["stop"]
    message: _ChatMessage


class _ChatUsage(msgspec.Struct, gc=False):
    prompt_tokens: _Count
    completion_tokens: _Count
    prompt_tokens_details: _Details = _NO_DETAILS
    completion_tokens_details: _Details = _NO_DETAILS


class _ChatBody(msgspec.Struct, gc=False):
    usage: _ChatUsage
    choices: tuple[_Choice]


class _Response[BodyT](msgspec.Struct, gc=False):
    status_code: Literal[200]
    body: BodyT


class _Line[BodyT](msgspec.Struct, gc=False):
    custom_id: str
    response: _Response[BodyT]
    error: None = None


_RESPONSE = msgspec.json.Decoder(_Line[_ResponseBody])
_CHAT = msgspec.json.Decoder(_Line[_ChatBody])


def read_usual_response(line: bytes) -> UsualLine | None:
    """What a usual line of the Responses API says; None for every other."""
    try:
        usual = _RESPONSE.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    custom_id, body = usual.custom_id, usual.response.body
    text, usage = body.output[0].content[0].text, body.usage
    if "\x00" in text or "\x00" in custom_id:
        return None
    cached, reasoning = usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens
    return custom_id, text, "completed", usage.input_tokens, usage.output_tokens, cached, reasoning


def read_usual_chat(line: bytes) -> UsualLine | None:
    """What a usual line of the Chat Completions API says; None for every other."""
    try:
        usual = _CHAT.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    custom_id, body = usual.custom_id, usual.response.body
    text, usage = body.choices[0].message.content, body.usage
    if "\x00" in text or "\x00" in custom_id:
        return None
    cached, reasoning = usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens
    return custom_id, text, "stop", usage.prompt_tokens, usage.completion_tokens, cached, reasoning


READ_USUAL: Mapping[OpenAIEndpoint, Callable[[bytes], UsualLine | None]] = {
    OpenAIEndpoint.RESPONSES: read_usual_response,
    OpenAIEndpoint.CHAT_COMPLETIONS: read_usual_chat,
}
