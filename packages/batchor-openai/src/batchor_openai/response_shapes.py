"""The shapes of output lines, as far as they are read, and tolerant of everything else.

Each field that should hold an object also accepts any other JSON value, so that a server's peculiarity in one
place does not make the rest of a line unreadable. What is not named here is skipped without being built.
"""

from typing import Any

import msgspec

_Other = str | int | float | bool | list[Any] | None
_OtherThanList = str | int | float | bool | dict[str, Any] | None


class Details(msgspec.Struct, gc=False):
    """`input_tokens_details` and its three siblings."""

    cached_tokens: Any = None
    reasoning_tokens: Any = None


class Usage(msgspec.Struct, gc=False):
    """Token counts of both endpoints."""

    input_tokens: Any = None
    output_tokens: Any = None
    prompt_tokens: Any = None
    completion_tokens: Any = None
    input_tokens_details: Details | _Other = None
    output_tokens_details: Details | _Other = None
    prompt_tokens_details: Details | _Other = None
    completion_tokens_details: Details | _Other = None


class Fault(msgspec.Struct, gc=False):
    """An error object: of a line, of a failed request's body, of a failed response."""

    code: Any = None
    message: Any = None
    type: Any = None


class Part(msgspec.Struct, gc=False):
    """One piece of a message's content."""

    type: Any = None
    text: Any = None
    refusal: Any = None


class Message(msgspec.Struct, gc=False):
    """A message of the model: `choices[].message`, or one of `output`."""

    type: Any = None
    phase: Any = None
    content: list[Part | _Other] | _OtherThanList = None
    refusal: Any = None
    tool_calls: Any = None


class Choice(msgspec.Struct, gc=False):
    """One of the `choices` of a chat completion."""

    finish_reason: Any = None
    message: Message | _Other = None


class Incomplete(msgspec.Struct, gc=False):
    """Why a response is incomplete."""

    reason: Any = None


class Body(msgspec.Struct, gc=False):
    """The body of an answer of either endpoint, or of a failed request."""

    choices: list[Choice | _Other] | _OtherThanList = None
    output: list[Message | _Other] | _OtherThanList = None
    status: Any = None
    incomplete_details: Incomplete | _Other = None
    usage: Usage | _Other = None
    error: Fault | _Other = None
    message: Any = None


class Response(msgspec.Struct, gc=False):
    """The `response` of a line. Some servers give the body as text that holds JSON."""

    status_code: Any = None
    body: Body | _Other = None


class Line(msgspec.Struct, gc=False):
    """One line of an output or error file."""

    custom_id: Any = None
    response: Response | _Other = None
    error: Fault | _Other = None


LINE = msgspec.json.Decoder(Line)
BODY = msgspec.json.Decoder(Body)
