"""The lines of input files, in the shapes that OpenAI publishes."""

import json
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from batchor_core.domain.item import PromptParts
from batchor_core.domain.job import OutputSchema
from batchor_core.errors import RequestEncodingError
from batchor_openai import OpenAIBatchProvider, OpenAIEndpoint, OpenAIProviderConfig

SCHEMA = OutputSchema(
    name="River",
    schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    sha256="0" * 64,
    model_reference=None,
)
PROMPT = PromptParts(prompt="Name a river.", system_prompt="Be brief.")


def encoded(prompt: PromptParts, schema: OutputSchema | None = None, **values: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"model": "gpt-4.1", **values}
    line: dict[str, Any] = json.loads(
        OpenAIBatchProvider(OpenAIProviderConfig(**arguments)).codec(schema).encode("ab12cd34-1", prompt)
    )
    return line


def test_a_line_names_the_method_and_the_endpoint() -> None:
    line = encoded(PROMPT)
    assert list(line) == ["custom_id", "method", "url", "body"]
    assert (line["custom_id"], line["method"], line["url"]) == ("ab12cd34-1", "POST", "/v1/responses")


def test_a_plain_response_has_no_more_than_model_and_input() -> None:
    assert encoded(PromptParts("Name a river."))["body"] == {"model": "gpt-4.1", "input": "Name a river."}


def test_a_response_with_everything() -> None:
    line = encoded(PROMPT, SCHEMA, reasoning_effort="low", temperature=0.5, top_p=0.9, max_output_tokens=100)
    assert line["body"] == {
        "model": "gpt-4.1",
        "instructions": "Be brief.",
        "input": "Name a river.",
        "text": {"format": {"type": "json_schema", "name": "River", "schema": SCHEMA.schema, "strict": True}},
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 100,
    }
    check_against(ResponseCreateParamsNonStreaming, line["body"])


def test_a_chat_completion_with_everything() -> None:
    line = encoded(
        PROMPT,
        SCHEMA,
        endpoint=OpenAIEndpoint.CHAT_COMPLETIONS,
        reasoning_effort="low",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=100,
        seed=7,
    )
    assert line["url"] == "/v1/chat/completions"
    assert line["body"] == {
        "model": "gpt-4.1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a river."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "River", "schema": SCHEMA.schema, "strict": True},
        },
        "reasoning_effort": "low",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 100,
        "seed": 7,
    }
    check_against(CompletionCreateParamsNonStreaming, line["body"])


def test_a_chat_completion_without_a_system_prompt_has_one_message() -> None:
    line = encoded(PromptParts("Name a river."), endpoint=OpenAIEndpoint.CHAT_COMPLETIONS)
    assert line["body"]["messages"] == [{"role": "user", "content": "Name a river."}]


def test_extra_fields_are_merged_into_each_body() -> None:
    extra = {"store": False, "text": {"verbosity": "low"}, "reasoning": {"summary": "auto"}}
    body = encoded(PROMPT, SCHEMA, reasoning_effort="low", extra_body=extra)["body"]
    assert body["store"] is False
    assert body["text"]["verbosity"] == "low"
    assert body["text"]["format"]["name"] == "River"
    assert body["reasoning"] == {"summary": "auto", "effort": "low"}


def test_extra_objects_stand_alone_where_batchor_adds_nothing() -> None:
    assert encoded(PROMPT, extra_body={"text": {"verbosity": "low"}})["body"]["text"] == {"verbosity": "low"}


def test_a_prompt_that_looks_like_a_template_stays_text() -> None:
    text = 'mark-0 {prompt} %s \\1 "}}'
    assert encoded(PromptParts(text, text))["body"] == {"model": "gpt-4.1", "instructions": text, "input": text}


def test_a_prompt_that_is_not_text_is_refused() -> None:
    codec = OpenAIBatchProvider(OpenAIProviderConfig(model="m")).codec(None)
    not_text: Any = ["a"]
    with pytest.raises(RequestEncodingError, match="ab12cd34-1 is not text"):
        codec.encode("ab12cd34-1", PromptParts(prompt=not_text))


def check_against(shape: Any, body: dict[str, Any]) -> None:
    """Whether the SDK's own types know every field of *body*."""
    assert set(body) <= shape.__required_keys__ | shape.__optional_keys__
    TypeAdapter(shape).validate_python(body)
