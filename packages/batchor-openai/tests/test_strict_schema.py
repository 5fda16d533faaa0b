"""Pydantic's schemas in strict form, and what is refused with which remedy."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, Json, RootModel, SecretStr, create_model

from batchor_core.errors import SchemaNotStrictError
from batchor_openai import OpenAIBatchProvider


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Inner(BaseModel):
    """What is inside."""

    value: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class Node(BaseModel):
    value: int
    children: list["Node"]
    next: "Node | None" = Field(None, description="the one behind")


def strict(model: type[BaseModel], *, name: str = "Answer") -> dict[str, Any]:
    return dict(OpenAIBatchProvider.strict_schema(name, model.model_json_schema()))


def faults_of(model: type[BaseModel], *, name: str = "Answer") -> tuple[str, ...]:
    with pytest.raises(SchemaNotStrictError) as refusal:
        strict(model, name=name)
    return refusal.value.faults


def model_with(annotation: Any, default: Any = ...) -> type[BaseModel]:
    return create_model("Answer", field=(annotation, default))


def test_a_plain_model_is_closed_and_complete() -> None:
    assert strict(Inner) == {
        "title": "Inner",
        "description": "What is inside.",
        "type": "object",
        "properties": {"value": {"title": "Value", "type": "integer"}},
        "required": ["value"],
        "additionalProperties": False,
    }


def test_an_optional_field_is_required_and_nullable() -> None:
    schema = strict(model_with(int | None, None))
    assert schema["required"] == ["field"]
    assert schema["properties"]["field"] == {"title": "Field", "anyOf": [{"type": "integer"}, {"type": "null"}]}


def test_nested_models_are_closed_too() -> None:
    schema = strict(model_with(list[Inner]))
    assert schema["$defs"]["Inner"]["additionalProperties"] is False
    assert schema["properties"]["field"]["items"] == {"$ref": "#/$defs/Inner"}


def test_a_description_beside_a_reference_is_kept_in_a_union_of_one() -> None:
    schema = strict(model_with(Annotated[Inner, Field(description="the first")]))
    assert schema["properties"]["field"] == {"anyOf": [{"$ref": "#/$defs/Inner"}], "description": "the first"}


def test_a_recursive_model_is_accepted() -> None:
    schema = strict(Node)
    assert schema["type"] == "object"
    assert schema["required"] == ["value", "children", "next"]
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def test_a_default_that_is_the_only_value_is_no_default() -> None:
    assert strict(Dog)["properties"]["kind"] == {"title": "Kind", "type": "string", "const": "dog"}
    assert strict(Dog)["required"] == ["kind", "name"]


def test_a_plain_union_of_models_is_accepted() -> None:
    assert strict(model_with(Cat | Dog))["properties"]["field"]["anyOf"] == [
        {"$ref": "#/$defs/Cat"},
        {"$ref": "#/$defs/Dog"},
    ]


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        int,
        float,
        bool,
        None,
        Mood,
        UUID,
        date,
        time,
        datetime,
        timedelta,
        IPv4Address,
        Decimal,
        Literal["a", 1] | None,
        Literal["a", 1],
        list[int],
        tuple[int, ...],
        Annotated[list[int], Field(min_length=1, max_length=3)],
        Annotated[int, Field(ge=1, lt=10, multiple_of=2)],
        Annotated[str, Field(pattern="^a+$", examples=["aa"])],
        Mood | None,
        Inner | None,
    ],
    ids=str,
)
def test_what_strict_schemas_can_say_is_accepted(annotation: Any) -> None:
    assert strict(model_with(annotation))["required"] == ["field"]


class OpenModel(BaseModel):
    model_config = ConfigDict(extra="allow")
    value: int


class Partial(TypedDict):
    value: NotRequired[int]


@pytest.mark.parametrize(
    ("annotation", "place", "problem", "remedy"),
    [
        (Any, "#/properties/field", "any value", "other than Any"),
        (object, "#/properties/field", "any value", "other than Any"),
        (list, "#/properties/field/items", "any value", "give it a type"),
        (dict[str, int], "#/properties/field", "dict", "list of models"),
        (dict, "#/properties/field", "dict", "list of models"),
        (OpenModel, "#/$defs/OpenModel", "other fields", "extra='forbid'"),
        (Partial, "#/$defs/Partial/properties/value", "left out", "T | None = None"),
        (Annotated[Cat | Dog, Field(discriminator="kind")], "#/properties/field", "'oneOf'", "without discriminator"),
        (tuple[int, str], "#/properties/field", "'prefixItems'", "a model with a named field"),
        (set[int], "#/properties/field", "'uniqueItems'", "a list instead of a set"),
        (AnyUrl, "#/properties/field", "'uri'", "str instead of a URL"),
        (bytes, "#/properties/field", "'binary'", "str instead of bytes"),
        (Path, "#/properties/field", "'path'", "str instead of Path"),
        (SecretStr, "#/properties/field", "'password'", "str instead of SecretStr"),
        (Json[Inner], "#/properties/field", "'contentSchema'", "the nested model itself"),
        (Annotated[str, Field(max_length=3)], "#/properties/field", "'maxLength'", "pattern"),
        (Annotated[str, Field(min_length=3)], "#/properties/field", "'minLength'", "pattern"),
        (
            Annotated[str, Field(json_schema_extra={"x-order": 1})],
            "#/properties/field",
            "'x-order'",
            "json_schema_extra",
        ),
        (Annotated[Inner, Field(json_schema_extra={"x-order": 1})], "#/properties/field", "'x-order'", "extra"),
    ],
    ids=str,
)
def test_what_strict_schemas_cannot_say_is_refused_with_place_and_remedy(
    annotation: Any, place: str, problem: str, remedy: str
) -> None:
    faults = faults_of(model_with(annotation))
    assert any(fault.startswith(f"{place}: ") and problem in fault and remedy in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("annotation", "default", "problem"),
    [
        (int, 7, "the default 7"),
        (Mood, Mood.GOOD, "the default 'good'"),
        (int | None, 7, "the default 7"),
        (int, None, "the default None is not a value"),
        (list[int], Field(default_factory=list), "may be left out"),
        (list[int], [], "the default []"),
    ],
    ids=str,
)
def test_a_default_other_than_null_is_refused(annotation: Any, default: Any, problem: str) -> None:
    (fault,) = faults_of(model_with(annotation, default))
    assert fault.startswith("#/properties/field: ")
    assert problem in fault


@pytest.mark.parametrize(
    "model", [RootModel[list[int]], RootModel[Cat | Dog], RootModel[str], RootModel[dict[str, int]]]
)
def test_a_root_that_is_no_object_is_refused(model: type[BaseModel]) -> None:
    assert any(fault.startswith("#: ") and "model" in fault for fault in faults_of(model))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("allOf", [{"type": "string"}]),
        ("not", {"type": "string"}),
        ("if", {"type": "string"}),
        ("then", {"type": "string"}),
        ("else", {"type": "string"}),
        ("patternProperties", {"^a": {"type": "string"}}),
        ("propertyNames", {"pattern": "^a"}),
        ("minProperties", 1),
        ("maxProperties", 1),
        ("contains", {"type": "string"}),
        ("dependentRequired", {"a": ["b"]}),
        ("dependentSchemas", {"a": {}}),
        ("unevaluatedProperties", False),
    ],
)
def test_a_keyword_outside_of_the_subset_is_refused_by_name(keyword: str, value: Any) -> None:
    with pytest.raises(SchemaNotStrictError) as refusal:
        OpenAIBatchProvider.strict_schema("Answer", {"type": "object", "properties": {}, keyword: value})
    assert [fault for fault in refusal.value.faults if fault.startswith(f"#: '{keyword}' is not possible; ")]


@pytest.mark.parametrize(
    "reference",
    ["https://example.com/schema.json", "other.json#/$defs/A", "#/$defs/Missing", "#/properties/a", "#a", 7],
)
def test_a_reference_that_leads_out_of_the_schema_is_refused(reference: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": reference}}, "required": ["a"]}
    with pytest.raises(SchemaNotStrictError, match="leads to no definition"):
        OpenAIBatchProvider.strict_schema("Answer", schema)


def test_references_that_lead_to_each_other_are_survived() -> None:
    schema = {
        "$ref": "#/$defs/A",
        "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}},
    }
    with pytest.raises(SchemaNotStrictError, match="not an object"):
        OpenAIBatchProvider.strict_schema("Answer", schema)


def test_all_faults_are_named_at_once() -> None:
    model = create_model("Answer", a=(Any, ...), b=(int, 7), c=(set[AnyUrl], ...), d=(dict[str, int], ...))
    faults = faults_of(model, name="no name!")
    for place in ("#: ", "#/properties/a: ", "#/properties/b: ", "#/properties/c: ", "#/properties/c/items: "):
        assert any(fault.startswith(place) for fault in faults), (place, faults)


def test_names_in_pointers_are_escaped() -> None:
    schema = {"type": "object", "properties": {"a/b~c": {}}, "required": ["a/b~c"]}
    with pytest.raises(SchemaNotStrictError, match="#/properties/a~1b~0c: "):
        OpenAIBatchProvider.strict_schema("Answer", schema)


class Gen[ValueT](BaseModel):
    value: ValueT


def test_a_name_that_openai_does_not_take_is_refused_with_one_that_it_takes() -> None:
    name = Gen[int].__name__
    (fault,) = faults_of(Gen[int], name=name)
    assert "'Gen[int]'" in fault
    assert "schema_name='Gen_int'" in fault
    assert strict(Gen[int], name="Gen_int")


def nested(levels: int) -> type[BaseModel]:
    model: type[BaseModel] = create_model("Level1", value=(int, ...))
    for level in range(2, levels + 1):
        model = create_model(f"Level{level}", inner=(model, ...))
    return model


def listed(levels: int) -> type[BaseModel]:
    annotation: Any = int
    for _ in range(levels - 1):
        annotation = list[annotation]
    return model_with(annotation)


def wide(properties: int) -> type[BaseModel]:
    fields: dict[str, Any] = {f"f{number}": (int, ...) for number in range(properties)}
    return create_model("Wide", **fields)


def long_names(characters: int) -> type[BaseModel]:
    names: dict[str, Any] = {f"f{number:03}" + "x" * 996: (int, ...) for number in range(characters // 1000)}
    return create_model("Long", **names)


def with_enum(values: int, *, length: int = 4) -> type[BaseModel]:
    return model_with(Enum("Value", {f"v{number}": f"{number:0{length}}" for number in range(values)}))


@pytest.mark.parametrize(
    ("make", "most", "problem"),
    [
        (nested, 10, "levels of nesting"),
        (listed, 10, "levels of nesting"),
        (wide, 5_000, "properties"),
        (long_names, 120_000, "characters"),
        (with_enum, 1_000, "enum values"),
    ],
)
def test_a_published_limit_may_be_reached_and_not_passed(
    make: Callable[[int], type[BaseModel]], most: int, problem: str
) -> None:
    assert strict(make(most))
    beyond = most + (1_000 if make is long_names else 1)
    assert [fault for fault in faults_of(make(beyond)) if fault.startswith("#: ") and problem in fault]


def test_a_large_enum_must_have_short_values() -> None:
    assert strict(with_enum(250, length=100))
    assert strict(with_enum(251, length=59))
    (fault,) = faults_of(with_enum(251, length=60))
    assert fault.startswith("#/$defs/Value: an enum of 251 values has 15060 characters")
