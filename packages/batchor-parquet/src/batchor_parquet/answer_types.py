"""The Arrow type of structured answers, from their JSON Schema."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

_SCALARS: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}
_MAX_LEVELS = 32


def answer_type(schema: Mapping[str, Any]) -> pa.DataType:
    """The column type of answers of *schema*; what has no type of its own in Arrow (recursion, unions) is JSON text."""
    return _type(schema, schema.get("$defs", {}), level=0) or pa.string()


def fitted(value: object, kind: pa.DataType) -> object:
    """*value* as a column of *kind* takes it: JSON text where it is text that stands for something else."""
    if value is None:
        return None
    if pa.types.is_struct(kind) and isinstance(value, dict):
        return {field.name: fitted(value.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind) and isinstance(value, list):
        return [fitted(each, kind.value_type) for each in value]
    if pa.types.is_string(kind) and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, level: int) -> pa.DataType | None:
    """None: only JSON text can hold it."""
    if level > _MAX_LEVELS:
        return None
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _type(definitions.get(name, {}), definitions, level=level + 1)
    if "anyOf" in schema:
        return _of_union(schema["anyOf"], definitions, level=level)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return pa.string() if all(isinstance(value, str | None) for value in values) else None
    match schema.get("type"):
        case "array":
            item = _type(schema.get("items", {}), definitions, level=level + 1)
            return None if item is None else pa.list_(item)
        case "object":
            return _of_object(schema, definitions, level=level)
        case str(name):
            return _SCALARS.get(name)
        case _:
            return None


def _of_object(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, level: int) -> pa.DataType | None:
    types = {
        name: _type(property_schema, definitions, level=level + 1)
        for name, property_schema in schema.get("properties", {}).items()
    }
    if not types or (None in types.values() and level > _MAX_LEVELS - 2):
        return None
    return pa.struct([(name, pa.string() if kind is None else kind) for name, kind in types.items()])


def _of_union(options: list[Mapping[str, Any]], definitions: Mapping[str, Any], *, level: int) -> pa.DataType | None:
    """The type of the one option beside null; of several, none."""
    others = [option for option in options if option.get("type") != "null"]
    return _type(others[0], definitions, level=level + 1) if len(others) == 1 else None
