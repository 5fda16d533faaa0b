"""Compiles a JSON Schema into something that generates conforming documents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from batchor_emulator.answers.draw import Draw
from batchor_emulator.answers.request_fault import RequestFaultError
from batchor_emulator.answers.schema_nodes import (
    AnyOf,
    Array,
    Constant,
    Node,
    Number,
    Object,
    Reference,
    settle_depths,
)
from batchor_emulator.answers.text_values import text_node

_UNSUPPORTED = ("allOf", "oneOf", "not", "if", "prefixItems", "patternProperties")
_DEFAULT_SPAN = 1_000
_MAX_ARRAY_EXTRA = 3


class CompiledSchema:
    """A schema that was understood once, for any number of documents.

    Raises `RequestFaultError` for what can't be generated: an unknown keyword or type, an empty
    range, a reference to nowhere, a recursion without an end.
    """

    def __init__(self, schema: Mapping[str, object]) -> None:
        self._root_schema = schema
        self._references: dict[str, Reference] = {}
        self._nodes: list[Node] = []
        self._root = self._compile(schema)
        settle_depths(self._nodes)
        if math.isinf(self._root.depth):
            raise RequestFaultError("Invalid schema: every document that conforms to it is infinite.")

    def document(self, draw: Draw) -> object:
        """A JSON value that conforms."""
        return self._root.generate(draw, 0)

    def _compile(self, schema: object) -> Node:
        node = self._node(schema)
        self._nodes.append(node)
        return node

    def _node(self, schema: object) -> Node:
        if schema is True:
            return Constant(("anything",))
        if not isinstance(schema, dict):
            raise RequestFaultError(f"Invalid schema: {schema!r} is no schema.")
        for keyword in _UNSUPPORTED:
            if keyword in schema:
                raise RequestFaultError(f"Invalid schema: {keyword!r} is not permitted.")
        match schema:
            case {"$ref": str(pointer)}:
                return self._reference(pointer)
            case {"const": value}:
                return Constant((value,))
            case {"enum": [_, *_] as values}:
                return Constant(tuple(values))
            case {"anyOf": [_, *_] as branches}:
                return AnyOf(tuple(self._compile(branch) for branch in branches))
            case {"type": [_, *_] as names}:
                return AnyOf(tuple(self._compile({**schema, "type": name}) for name in names))
            case _:
                return self._typed(schema)

    def _typed(self, schema: dict[str, object]) -> Node:
        match schema.get("type"):
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return text_node(schema)
            case "integer":
                return _number(schema, default_step=Fraction(1), whole=True)
            case "number":
                return _number(schema, default_step=Fraction(1, 100), whole=False)
            case "boolean":
                return Constant((True, False))
            case "null":
                return Constant((None,))
            case None:
                return self._object(schema) if "properties" in schema else Constant(("anything",))
            case other:
                raise RequestFaultError(f"Invalid schema: {other!r} is no type.")

    def _object(self, schema: dict[str, object]) -> Node:
        properties = schema.get("properties", {})
        if not isinstance(properties, dict):
            raise RequestFaultError("Invalid schema: 'properties' must be an object.")
        return Object({name: self._compile(member) for name, member in properties.items()})

    def _array(self, schema: dict[str, object]) -> Node:
        least = _whole(schema, "minItems", 0)
        most = _whole(schema, "maxItems", least + _MAX_ARRAY_EXTRA)
        if most < least:
            raise RequestFaultError("Invalid schema: 'maxItems' is less than 'minItems'.")
        item = self._compile(schema.get("items", True))
        return Array(item, least, min(most, least + _MAX_ARRAY_EXTRA))

    def _reference(self, pointer: str) -> Reference:
        if pointer not in self._references:
            reference = Reference()
            # Known before its target is compiled: the target may refer to itself.
            self._references[pointer] = reference
            reference.target = self._compile(self._resolve(pointer))
        return self._references[pointer]

    def _resolve(self, pointer: str) -> object:
        if not pointer.startswith("#"):
            raise RequestFaultError(f"Invalid schema: the reference {pointer!r} leads out of the schema.")
        found: object = self._root_schema
        for part in pointer.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise RequestFaultError(f"Invalid schema: the reference {pointer!r} leads nowhere.")
            found = found[name]
        return found


def _number(schema: dict[str, object], *, default_step: Fraction, whole: bool) -> Number:
    step = _fraction(schema, "multipleOf") or default_step
    if step <= 0:
        raise RequestFaultError("Invalid schema: 'multipleOf' must be greater than 0.")
    if whole:
        step = Fraction(step.numerator)  # the multiples of p/q that are whole are those of p
    low, high = _lowest(schema), _highest(schema)
    if "multipleOf" not in schema and not whole and low is not None and high is not None:
        step = min(step, (high[0] - low[0]) / 8) or step
    first, last = _multiples(step, low, high)
    if last < first:
        raise RequestFaultError("Invalid schema: no number is within the bounds.")
    return Number(step, first, last, whole=whole)


def _multiples(
    step: Fraction, low: tuple[Fraction, bool] | None, high: tuple[Fraction, bool] | None
) -> tuple[int, int]:
    first = None if low is None else math.ceil(low[0] / step)
    last = None if high is None else math.floor(high[0] / step)
    if low is not None and first is not None and low[1] and first * step == low[0]:
        first += 1
    if high is not None and last is not None and high[1] and last * step == high[0]:
        last -= 1
    if first is None:
        first = 0 if last is None else min(0, last - _DEFAULT_SPAN)
    if last is None:
        last = first + _DEFAULT_SPAN
    return first, last


def _lowest(schema: dict[str, object]) -> tuple[Fraction, bool] | None:
    bounds = [
        (bound, exclusive)
        for name, exclusive in (("minimum", False), ("exclusiveMinimum", True))
        if (bound := _fraction(schema, name)) is not None
    ]
    return max(bounds, default=None)


def _highest(schema: dict[str, object]) -> tuple[Fraction, bool] | None:
    bounds = [
        (bound, not exclusive)
        for name, exclusive in (("maximum", False), ("exclusiveMaximum", True))
        if (bound := _fraction(schema, name)) is not None
    ]
    tightest = min(bounds, default=None)
    return None if tightest is None else (tightest[0], not tightest[1])


def _fraction(schema: dict[str, object], name: str) -> Fraction | None:
    value = schema.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestFaultError(f"Invalid schema: {name!r} must be a number.")
    return Fraction(str(value))


def _whole(schema: dict[str, object], name: str, default: int) -> int:
    value = schema.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RequestFaultError(f"Invalid schema: {name!r} must be a whole number.")
    return value
