"""Prompts to lines of an input file, by a template that is compiled once per job.

The plain body is encoded once, with a mark in each place that differs from row to row, and cut at the
marks. The places are filled by the JSON encoder only, so no text can break out of its string.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import msgspec

from batchor_core.domain.item import PromptParts
from batchor_core.domain.job import OutputSchema
from batchor_core.domain.output_line import OutputLine, UsualLine
from batchor_core.errors import ConfigurationError, RequestEncodingError
from batchor_openai.config import OpenAIProviderConfig
from batchor_openai.request_body import build_body
from batchor_openai.response_codec import decode_line
from batchor_openai.usual_lines import READ_USUAL

_SAMPLES = (
    "",
    'quotes " and \\ back\\slashes, {braces}, %s and \\1',
    "line\nfeed, carriage\rreturn, tab\t, NUL \x00, DEL \x7f, U+2028 \u2028",
    "ä, 漢字, 😀, \U0010ffff",
)

_encode_text = msgspec.json.Encoder().encode


class _Template(NamedTuple):
    """The bytes before, between and behind the custom_id, the system prompt (if any) and the prompt."""

    segments: tuple[bytes, ...]


class OpenAIRequestCodec:
    """Encodes prompts for one configuration and one output schema, and decodes what comes back."""

    def __init__(self, config: OpenAIProviderConfig, schema: OutputSchema | None) -> None:
        self._plain = _compile(config, schema, has_system_prompt=False).segments
        self._with_system_prompt = _compile(config, schema, has_system_prompt=True).segments
        self._read_usual = READ_USUAL[config.endpoint]

    def encode(self, custom_id: str, prompt: PromptParts) -> bytes:
        text: object = prompt.prompt
        system_prompt: object = prompt.system_prompt
        if not isinstance(text, str) or not (system_prompt is None or isinstance(system_prompt, str)):
            raise RequestEncodingError(
                f"the prompt of request {custom_id} is not text; return strings from build_prompt"
            )
        try:
            if system_prompt is None:
                start, middle, end = self._plain
                return b"".join((start, _encode_text(custom_id), middle, _encode_text(text), end))
            start, first, second, end = self._with_system_prompt
            return b"".join(
                (start, _encode_text(custom_id), first, _encode_text(system_prompt), second, _encode_text(text), end)
            )
        except UnicodeEncodeError as error:
            raise RequestEncodingError(
                f"the prompt of request {custom_id} holds half of a surrogate pair at character {error.start}; "
                "UTF-8 has no such character: replace it in build_prompt"
            ) from None

    def encode_many(self, id_head: str, first: int, prompts: Sequence[PromptParts]) -> Sequence[bytes]:
        start, middle, end = self._plain
        # The custom_id's string is open behind the start, and the number is written into it.
        start, middle = start + _encode_text(id_head)[:-1], b'"' + middle
        lines = []
        for index, prompt in enumerate(prompts, first):
            text: object = prompt.prompt
            if isinstance(text, str) and prompt.system_prompt is None:
                try:
                    lines.append(b"".join((start, b"%d" % index, middle, _encode_text(text), end)))
                    continue
                except UnicodeEncodeError:
                    pass  # `encode` tells it in words
            lines.append(self.encode(f"{id_head}{index}", prompt))
        return lines

    def decode(self, line: bytes) -> OutputLine:
        return decode_line(line)

    def decode_usual(self, line: bytes) -> UsualLine | None:
        return self._read_usual(line)


def _compile(config: OpenAIProviderConfig, schema: OutputSchema | None, *, has_system_prompt: bool) -> _Template:
    # Random, so that neither a schema nor the user's extra fields can hold one.
    custom_id, system_prompt, prompt = (f"mark-{uuid4().hex}" for _ in range(3))
    marks = [custom_id, system_prompt, prompt] if has_system_prompt else [custom_id, prompt]
    line = _plain_line(
        config, schema, custom_id=custom_id, prompt=prompt, system_prompt=system_prompt if has_system_prompt else None
    )
    template = _Template(_cut(line, marks))
    _check(template, config, schema, has_system_prompt=has_system_prompt)
    return template


def _plain_line(
    config: OpenAIProviderConfig,
    schema: OutputSchema | None,
    *,
    custom_id: str,
    prompt: str,
    system_prompt: str | None,
) -> bytes:
    body = build_body(config, prompt=prompt, system_prompt=system_prompt, schema=schema)
    request = {"custom_id": custom_id, "method": "POST", "url": config.endpoint.value, "body": body}
    return msgspec.json.encode(request) + b"\n"


def _cut(line: bytes, marks: list[str]) -> tuple[bytes, ...]:
    segments = []
    for mark in marks:
        segment, _, line = line.partition(_encode_text(mark))
        segments.append(segment)
    return (*segments, line)


def _check(
    template: _Template, config: OpenAIProviderConfig, schema: OutputSchema | None, *, has_system_prompt: bool
) -> None:
    """Compare the template with the plain encoder, once, on text that would show any difference."""
    for sample in _SAMPLES:
        plain = _plain_line(
            config, schema, custom_id=sample, prompt=sample, system_prompt=sample if has_system_prompt else None
        )
        if _encode_text(sample).join(template.segments) != plain or plain.count(b"\n") != 1:
            raise ConfigurationError("the request template differs from the plain encoder; please report this")
