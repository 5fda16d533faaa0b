from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from openai import OpenAI
from openai.lib._pydantic import to_strict_json_schema
from openai.types import Batch
from pydantic import BaseModel, Field, ValidationError

from batchor_emulator.answers.draw import Draw
from batchor_emulator.answers.json_schema import CompiledSchema
from batchor_emulator.answers.pattern import Pattern
from batchor_emulator.answers.request_fault import RequestFaultError
from batchor_emulator.answers.strict_schema import strict_fault

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Lines = Callable[..., list[dict[str, Any]]]


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Inner(BaseModel):
    score: float = Field(ge=0, le=1)
    count: int = Field(gt=3, lt=10)
    step: float = Field(multiple_of=0.25, ge=-2, le=2)
    even: int = Field(multiple_of=2)
    negative: float = Field(lt=0)


class Everything(BaseModel):
    kind: Literal["a", "b"]
    constant: Literal["only"]
    mood: Mood
    inner: Inner
    maybe: int | None
    either: str | bool | list[int]
    tags: Annotated[list[str], Field(min_length=2, max_length=4)]
    when: datetime
    day: date
    clock: time
    id: UUID
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{4}(x|yz)?$")]
    nothing: None
    flag: bool


class Tree(BaseModel):
    name: str
    children: list[Tree]
    parent: Tree | None


def _text(line: dict[str, Any]) -> str:
    body = line["response"]["body"]
    if "output" in body:
        text: str = body["output"][0]["content"][0]["text"]
        return text
    content: str = body["choices"][0]["message"]["content"]
    return content


@pytest.mark.parametrize("model", [Everything, Tree])
def test_structured_responses_conform_to_their_schema(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines, *, model: type[BaseModel]
) -> None:
    spec = {"type": "json_schema", "name": model.__name__, "strict": True, "schema": to_strict_json_schema(model)}
    batch = wait(client, start(client, [row(number, text={"format": spec}) for number in range(100)]))
    answers = [_text(line) for line in lines(client, batch.output_file_id)]
    assert len(answers) == 100
    for answer in answers:
        model.model_validate_json(answer)
    assert len(set(answers)) > 50


@pytest.mark.parametrize("model", [Everything, Tree])
def test_structured_chat_completions_conform_to_their_schema(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines, *, model: type[BaseModel]
) -> None:
    url = "/v1/chat/completions"
    json_schema = {"name": model.__name__, "strict": True, "schema": to_strict_json_schema(model)}
    spec = {"type": "json_schema", "json_schema": json_schema}
    batch = wait(client, start(client, [row(number, url, response_format=spec) for number in range(20)], endpoint=url))
    answers = lines(client, batch.output_file_id)
    assert len(answers) == 20
    for line in answers:
        model.model_validate_json(_text(line))


def test_a_truncated_document_is_no_document(client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines) -> None:
    spec = {"type": "json_schema", "name": "E", "strict": True, "schema": to_strict_json_schema(Everything)}
    batch = wait(client, start(client, [row(1, text={"format": spec}, max_output_tokens=16)]))
    (line,) = lines(client, batch.output_file_id)
    with pytest.raises(ValidationError):
        Everything.model_validate_json(_text(line))


def test_json_mode_answers_with_an_object(client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines) -> None:
    batch = wait(client, start(client, [row(1, text={"format": {"type": "json_object"}})]))
    (line,) = lines(client, batch.output_file_id)
    assert "question 1" in json.loads(_text(line))["answer"]


def test_a_schema_that_is_not_strict_fails_every_request(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    spec = {"type": "json_schema", "name": "E", "strict": True, "schema": Everything.model_json_schema()}
    batch = wait(client, start(client, [row(number, text={"format": spec}) for number in range(3)]))
    assert batch.status == "completed"
    assert batch.output_file_id is None
    for line in lines(client, batch.error_file_id):
        error = line["response"]["body"]["error"]
        assert error["code"] == "invalid_json_schema"
        assert error["param"] == "text.format.schema"
        assert "'additionalProperties' is required to be supplied and to be false" in error["message"]


def test_a_schema_that_does_not_ask_to_be_strict_may_be_loose(
    client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    spec = {"type": "json_schema", "name": "E", "schema": Everything.model_json_schema()}
    batch = wait(client, start(client, [row(1, text={"format": spec})]))
    (line,) = lines(client, batch.output_file_id)
    Everything.model_validate_json(_text(line))


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "array", "items": {"type": "string"}}, 'type: "object"'),
        ({**_object(a={"type": "string"}), "anyOf": []}, "no anyOf"),
        ({**_object(a={"type": "string"}), "required": []}, "Missing 'a'"),
        ({**_object(a={"type": "string"}), "required": ["a", "b"]}, "extra required key 'b'"),
        (_object(a={"oneOf": [{"type": "string"}]}), "'oneOf' is not permitted"),
        (_object(a={"type": "string", "default": "x"}), "'default' is not permitted"),
        (_object(a={"type": "array"}), "missing items"),
        (_object(a={}), "must have a 'type' key"),
        (_object(a=_object(b={"type": "object", "properties": {}})), "additionalProperties"),
        (_object(a={"enum": list(range(1_001))}), "1001 enum values"),
        (_object(**{f"p{number}": {"type": "null"} for number in range(5_001)}), "5001 properties"),
    ],
)
def test_strict_mode_names_what_it_refuses(schema: dict[str, Any], complaint: str) -> None:
    assert complaint in (strict_fault("name", schema) or "")


@pytest.mark.parametrize("name", ["Gen[int]", "", "x" * 65, None])
def test_strict_mode_refuses_a_bad_schema_name(name: object) -> None:
    assert "name" in (strict_fault(name, _object(a={"type": "string"})) or "")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": _object(a={"$ref": "#/$defs/a"})}},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.com/schema"},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "(["},
        {"type": "string", "format": "colour"},
        {"type": "array", "minItems": 3, "maxItems": 2, "items": {"type": "null"}},
        {"type": "colour"},
        {"allOf": [{"type": "string"}]},
    ],
)
def test_a_schema_without_documents_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(RequestFaultError):
        CompiledSchema(schema).document(Draw({}))


@pytest.mark.parametrize(
    ("schema", "low", "high"),
    [
        ({"type": "integer", "minimum": -3, "maximum": -1}, -3, -1),
        ({"type": "number", "minimum": 0.001, "maximum": 0.002}, 0.001, 0.002),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1}, 0.0001, 0.0999),
        ({"type": "number", "minimum": 7, "maximum": 7}, 7, 7),
        ({"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60}, 56, 56),
        ({"type": "integer", "multipleOf": 2.5, "minimum": 4, "maximum": 6}, 5, 5),
        ({"type": "integer", "maximum": -5_000}, -6_000, -5_000),
    ],
)
def test_numbers_are_within_their_bounds(schema: dict[str, Any], low: float, high: float) -> None:
    compiled = CompiledSchema(schema)
    for number in range(200):
        value = compiled.document(Draw(number))
        assert isinstance(value, int | float)
        assert low <= value <= high


@pytest.mark.parametrize(
    "pattern", [r"^\d{3}-\d{4}$", r"[^a-z]+", r"(?:ab|cd)*e?", r"^@[a-zA-Z0-9_]{1,15}$", r"a.c\.", r"\W\S"]
)
def test_patterns_are_matched(pattern: str) -> None:
    compiled = CompiledSchema({"type": "string", "pattern": pattern})
    assert {type(compiled.document(Draw(number))) for number in range(50)} == {str}


@pytest.mark.parametrize("pattern", ["(?<!a)b", r"(a)\1", "*a", "(a", "[a", r"\p"])
def test_patterns_beyond_the_simple_are_named(pattern: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Pattern(pattern)
