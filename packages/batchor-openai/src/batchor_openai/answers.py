"""What the model said: from the body of a request that went through."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from batchor_core.domain.output_line import LineOutcome, TokenUsage
from batchor_openai.response_shapes import Body, Choice, Details, Incomplete, Message, Part, Usage

# Tuples where the value may be of any type: what has no hash cannot be looked for in a set.
_CUT_OFF = ("length", "content_filter")
_MESSAGE_TYPES = ("message", None)
MAX_COUNT = 2**31 - 1
"""More is no count of tokens, and would not fit into every database."""


class Answer(NamedTuple):
    """The model's answer, or why there is none."""

    outcome: LineOutcome
    text: str | None = None
    finish_reason: str | None = None
    message: str | None = None


class Said(NamedTuple):
    """The text of one message, and the refusal in it."""

    text: str
    refusal: str


def read_chat(choices: Sequence[Any]) -> Answer:
    """The answer in the first of a chat completion's choices."""
    choice = choices[0] if choices else None
    if not isinstance(choice, Choice) or not isinstance(choice.message, Message):
        return Answer(LineOutcome.EMPTY, message="the completion has no message")
    said = _said(choice.message)
    reason = choice.finish_reason if isinstance(choice.finish_reason, str) else None
    if reason in _CUT_OFF and not said.refusal:
        return _truncated(said.text, reason)
    if not said.text and not said.refusal and choice.message.tool_calls:
        return Answer(LineOutcome.EMPTY, None, reason, "the model called a tool and gave no text")
    return _answered(said, reason)


def read_response(body: Body, output: Sequence[Any]) -> Answer:
    """The answer in the messages of a response."""
    messages = [item for item in output if isinstance(item, Message) and item.type in _MESSAGE_TYPES]
    if len(messages) > 1:
        # Remarks on the way to an answer would spoil a structured one.
        messages = [message for message in messages if message.phase != "commentary"] or messages
    said = _said(messages[0]) if len(messages) == 1 else _joined(messages)
    if body.status == "incomplete" and not said.refusal:
        return _truncated(said.text, _incomplete_reason(body))
    return _answered(said, body.status if isinstance(body.status, str) else None)


def read_usage(usage: object) -> TokenUsage | None:
    """The counts of either endpoint; None where the body has none. What is no count becomes 0."""
    if not isinstance(usage, Usage):
        return None
    is_chat = usage.prompt_tokens is not None or usage.completion_tokens is not None
    ingoing = usage.prompt_tokens_details if is_chat else usage.input_tokens_details
    outgoing = usage.completion_tokens_details if is_chat else usage.output_tokens_details
    return TokenUsage(
        _count(usage.prompt_tokens if is_chat else usage.input_tokens),
        _count(usage.completion_tokens if is_chat else usage.output_tokens),
        _count(ingoing.cached_tokens) if isinstance(ingoing, Details) else 0,
        _count(outgoing.reasoning_tokens) if isinstance(outgoing, Details) else 0,
    )


def _answered(said: Said, finish_reason: str | None) -> Answer:
    if said.refusal:
        return Answer(
            LineOutcome.REFUSED, said.text or said.refusal, finish_reason, f"the model refused: {said.refusal}"
        )
    if not said.text:
        return Answer(LineOutcome.EMPTY, None, finish_reason, "the model answered with no text")
    return Answer(LineOutcome.ANSWERED, said.text, finish_reason)


def _truncated(text: str, reason: str) -> Answer:
    return Answer(LineOutcome.TRUNCATED, text or None, reason, f"the answer was cut off ({reason})")


def _incomplete_reason(body: Body) -> str:
    details = body.incomplete_details
    reason = details.reason if isinstance(details, Incomplete) else None
    return reason if isinstance(reason, str) else "incomplete"


def _joined(messages: Sequence[Message]) -> Said:
    parts = [_said(message) for message in messages]
    return Said("".join(part.text for part in parts), "".join(part.refusal for part in parts))


def _said(message: Message) -> Said:
    content, text = message.content, ""
    refusal = message.refusal if isinstance(message.refusal, str) else ""
    if isinstance(content, str):
        return Said(content, refusal)
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Part):
            text += part.text if isinstance(part.text, str) else ""
            refusal += part.refusal if isinstance(part.refusal, str) else ""
    return Said(text, refusal)


def _count(value: object) -> int:
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else 0
    if isinstance(value, float) and 0 <= value <= MAX_COUNT:
        return int(value)
    return 0
