"""The rules of strict structured outputs, as far as they make the real API refuse a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_PROPERTIES = 5_000
_MAX_LEVELS = 10
_MAX_ENUM_VALUES = 1_000
_FORBIDDEN = (
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
    "propertyNames", "prefixItems", "uniqueItems", "contains", "minProperties", "maxProperties",
)  # fmt: skip

type Place = tuple[str, ...]


def strict_fault(name: object, schema: Mapping[str, object]) -> str | None:
    """The first thing that strict mode refuses, in a sentence; None for a schema in order."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"Invalid schema name {name!r}: only letters, digits, '_' and '-', at most 64."
    fault = next(_faults(schema), None)
    return None if fault is None else f"Invalid schema for response_format '{name}': {fault}"


def _faults(schema: Mapping[str, object]) -> Iterator[str]:
    if schema.get("type") != "object" or "anyOf" in schema:
        yield "schema must be a JSON Schema of 'type: \"object\"', and no anyOf at its root."
        return
    properties, enum_values = 0, 0
    for place, level, part in _parts(schema, (), 1):
        yield from _part_faults(place, part)
        members, values = part.get("properties"), part.get("enum")
        properties += len(members) if isinstance(members, dict) else 0
        enum_values += len(values) if isinstance(values, list) else 0
        if level > _MAX_LEVELS:
            yield f"In context={place}, the schema is nested more than {_MAX_LEVELS} levels deep."
    if properties > _MAX_PROPERTIES:
        yield f"the schema has {properties} properties; at most {_MAX_PROPERTIES} are allowed."
    if enum_values > _MAX_ENUM_VALUES:
        yield f"the schema has {enum_values} enum values; at most {_MAX_ENUM_VALUES} are allowed."


def _part_faults(place: Place, part: Mapping[str, object]) -> Iterator[str]:
    for keyword in _FORBIDDEN:
        if keyword in part:
            yield f"In context={place}, '{keyword}' is not permitted."
    if part.get("default") is not None:
        yield f"In context={place}, 'default' is not permitted."
    if part.get("type") == "array" and "items" not in part:
        yield f"In context={place}, array schema missing items."
    if part.get("type") == "object" or "properties" in part:
        yield from _object_faults(place, part)
    elif not part.keys() & {"type", "$ref", "anyOf", "enum", "const"}:
        yield f"In context={place}, schema must have a 'type' key."


def _object_faults(place: Place, part: Mapping[str, object]) -> Iterator[str]:
    if part.get("additionalProperties") is not False:
        yield f"In context={place}, 'additionalProperties' is required to be supplied and to be false."
    properties, required = part.get("properties", {}), part.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        yield f"In context={place}, 'properties' must be an object and 'required' an array."
        return
    for name in properties:
        if name not in required:
            yield (
                f"In context={place}, 'required' is required to be supplied and to be an array including "
                f"every key in properties. Missing '{name}'."
            )
    for name in required:
        if name not in properties:
            yield f"In context={place}, extra required key '{name}' supplied."


def _parts(schema: object, place: Place, level: int) -> Iterator[tuple[Place, int, Mapping[str, object]]]:
    """Every schema within *schema*, with its place and the number of objects and arrays around it."""
    if not isinstance(schema, dict) or level > _MAX_LEVELS + 1:
        return
    yield place, level, schema
    for keyword in ("properties", "$defs", "definitions"):
        members = schema.get(keyword)
        if isinstance(members, dict):
            inner = level + 1 if keyword == "properties" else 1
            for name, member in members.items():
                yield from _parts(member, (*place, keyword, name), inner)
    if "items" in schema:
        yield from _parts(schema["items"], (*place, "items"), level + 1)
    branches = schema.get("anyOf")
    for number, branch in enumerate(branches if isinstance(branches, list) else []):
        yield from _parts(branch, (*place, "anyOf", str(number)), level)
