"""From the JSON Schema of a run's answers to an Arrow type, and from answers to values of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from batchor_core.json_types import JsonValue

_MAX_FIELDS = 1_000
_MAX_DEPTH = 20
_INT64 = range(-(2**63), 2**63)

type Shape = Callable[[JsonValue], object]
"""From a value of the answer to one that Arrow takes; `MisfitError` when the column can't hold it."""


class MisfitError(Exception):
    """The value is not what its column holds."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """An Arrow type and the way into it. `is_json`: any value goes in, as JSON text."""

    arrow: pa.DataType
    shape: Shape
    is_json: bool = False

    def field(self, name: str) -> pa.Field:
        return pa.field(name, self.arrow, metadata=JSON_TEXT if self.is_json else None)


JSON_TEXT = {"batchor.content": "json"}
"""The metadata of columns that hold JSON as text."""


def output_type(schema: Mapping[str, Any]) -> ColumnType:
    """The type of a column for what *schema* describes.

    Strings, numbers (float64), integers (int64), booleans, lists, and objects with known members as structs; each may be
    null. Anything else is JSON as text: several types at a place, objects with free keys, and schemas that contain themselves,
    from the second level on; also what is beyond 1,000 members or 20 levels.
    """
    return _Builder(schema).column(schema, ())


def json_text(value: JsonValue) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Builder:
    """Walks one schema. The path of `$ref`s tells recursion; the count of members bounds what shared parts multiply to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._fields = 0

    def column(self, schema: object, path: tuple[str, ...], depth: int = 0) -> ColumnType:
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return _JSON
        match schema:
            case {"$ref": str(reference)}:
                if reference in path or reference == "#":
                    return _JSON
                return self.column(self._referred(reference), (*path, reference), depth + 1)
            case {"anyOf": [*choices]} | {"oneOf": [*choices]} | {"allOf": [*choices]}:
                # An allOf of several is no choice: it becomes JSON too, unless its parts are of one type.
                return self._only_one([choice for choice in choices if choice != {"type": "null"}], path, depth)
            case {"enum": [*values]}:
                return _of_values(values)
            case {"const": value}:
                return _of_values([value])
            case {"type": [*names]}:
                return self._only_one([{**schema, "type": name} for name in names if name != "null"], path, depth)
            case {"type": "array", "items": items}:
                return self._list(items, path, depth)
            case {"type": "object", "properties": dict(members)} if members:
                return self._struct(members, schema.get("additionalProperties", False), path, depth)
            case {"type": str(name)}:
                return _SCALARS.get(name, _JSON)
            case _:
                return _JSON

    def _referred(self, reference: str) -> object:
        found: Any = self._root
        for part in reference.removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def _only_one(self, choices: Sequence[object], path: tuple[str, ...], depth: int) -> ColumnType:
        return self.column(choices[0], path, depth + 1) if len(choices) == 1 else _JSON

    def _list(self, items: object, path: tuple[str, ...], depth: int) -> ColumnType:
        element = self.column(items, path, depth + 1)

        def shape(value: JsonValue) -> object:
            if value is None:
                return None
            if not isinstance(value, list):
                raise MisfitError
            return [element.shape(each) for each in value]

        return ColumnType(pa.list_(element.field("item")), shape)

    def _struct(self, members: Mapping[str, Any], others: object, path: tuple[str, ...], depth: int) -> ColumnType:
        self._fields += len(members)
        # Keys that no member stands for would be lost.
        if self._fields > _MAX_FIELDS or others is not False:
            return _JSON
        columns = {name: self.column(member, path, depth + 1) for name, member in members.items()}
        shapes = {name: column.shape for name, column in columns.items()}

        def shape(value: JsonValue) -> object:
            if value is None:
                return None
            if not isinstance(value, dict):
                raise MisfitError
            return {name: shape_of(value.get(name)) for name, shape_of in shapes.items()}

        return ColumnType(pa.struct([column.field(name) for name, column in columns.items()]), shape)


def _of_values(values: Sequence[object]) -> ColumnType:
    kinds = {type(value) for value in values if value is not None}
    name = _NAMES.get(kinds.pop()) if len(kinds) == 1 else None
    return _JSON if name is None else _SCALARS[name]


def _text(value: JsonValue) -> object:
    if value is not None and not isinstance(value, str):
        raise MisfitError
    return value


def _boolean(value: JsonValue) -> object:
    if value is not None and not isinstance(value, bool):
        raise MisfitError
    return value


def _number(value: JsonValue) -> object:
    match value:
        case bool():
            raise MisfitError
        case int():
            # Beyond 2**53 a float64 may be another number.
            if (number := _as_float(value)) != value:
                raise MisfitError
            return number
        case float() | None:
            return value
        case _:
            raise MisfitError


def _integer(value: JsonValue) -> object:
    match value:
        case None:
            return None
        case bool():
            raise MisfitError
        case float() if value.is_integer():  # 1.0 is an integer of JSON Schema
            value = int(value)
    if not isinstance(value, int) or value not in _INT64:
        raise MisfitError
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise MisfitError from None


_JSON = ColumnType(pa.string(), json_text, is_json=True)
_SCALARS = {
    "string": ColumnType(pa.string(), _text),
    "number": ColumnType(pa.float64(), _number),
    "integer": ColumnType(pa.int64(), _integer),
    "boolean": ColumnType(pa.bool_(), _boolean),
}
_NAMES: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
