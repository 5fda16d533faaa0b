"""How large a strict schema may be, as published by OpenAI."""

from collections.abc import Iterator, Mapping
from typing import Any

_MAX_PROPERTIES = 5_000
_MAX_LEVELS = 10
_MAX_CHARACTERS = 120_000
_MAX_ENUM_VALUES = 1_000
_LARGE_ENUM_VALUES = 250
_MAX_LARGE_ENUM_CHARACTERS = 15_000


def limit_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    """Each limit that *schema* goes over, as `JSON pointer: what is wrong; remedy`."""
    parts = list(_parts(schema, "#"))
    properties = sum(len(part.get("properties", ())) for _, part in parts)
    enum_values = sum(len(part.get("enum", ())) for _, part in parts)
    characters = sum(_characters(part) for _, part in parts)
    levels = _Depth(schema).levels_of(schema)
    yield from _over("properties", properties, _MAX_PROPERTIES, "ask for fewer fields")
    yield from _over("enum values", enum_values, _MAX_ENUM_VALUES, "use str, and check it in a validator")
    yield from _over("characters of names and values", characters, _MAX_CHARACTERS, "use shorter names")
    yield from _over("levels of nesting", levels, _MAX_LEVELS, "flatten the models")
    for place, part in parts:
        yield from _enum_faults(place, part)


def _over(what: str, number: int, limit: int, remedy: str) -> Iterator[str]:
    if number > limit:
        yield f"#: the schema has {number} {what}, and may have {limit}; {remedy}"


def _enum_faults(place: str, part: Mapping[str, Any]) -> Iterator[str]:
    values = part.get("enum", ())
    characters = sum(len(value) for value in values if isinstance(value, str))
    if len(values) > _LARGE_ENUM_VALUES and characters > _MAX_LARGE_ENUM_CHARACTERS:
        yield (
            f"{place}: an enum of {len(values)} values has {characters} characters, and may have "
            f"{_MAX_LARGE_ENUM_CHARACTERS} when it has more than {_LARGE_ENUM_VALUES} values; use shorter values"
        )


def _characters(part: Mapping[str, Any]) -> int:
    names = [*part.get("properties", ()), *part.get("$defs", ()), *part.get("definitions", ())]
    values = [*part.get("enum", ()), part.get("const")]
    return sum(len(text) for text in (*names, *values) if isinstance(text, str))


def _parts(schema: Mapping[str, Any], place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema within *schema*, each definition once, with its place."""
    yield place, schema
    for keyword in ("properties", "$defs", "definitions"):
        for name, inner in schema.get(keyword, {}).items():
            yield from _parts(inner, f"{place}/{keyword}/{name}")
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, inner in enumerate(schema.get(keyword, ())):
            yield from _parts(inner, f"{place}/{keyword}/{number}")
    if "items" in schema:
        yield from _parts(schema["items"], f"{place}/items")


class _Depth:
    """Counts objects and arrays within each other, through references; recursion counts once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions = {
            f"#/{group}/{name}": definition
            for group in ("$defs", "definitions")
            for name, definition in schema.get(group, {}).items()
        }
        self._known: dict[str, int] = {}

    def levels_of(self, schema: Mapping[str, Any]) -> int:
        if "$ref" in schema:
            return self._levels_behind(schema["$ref"])
        inner = [*schema.get("properties", {}).values()]
        inner += [
            branch for keyword in ("anyOf", "oneOf", "allOf", "prefixItems") for branch in schema.get(keyword, ())
        ]
        if "items" in schema:
            inner.append(schema["items"])
        own = 1 if schema.keys() & {"properties", "items"} else 0
        return own + max(map(self.levels_of, inner), default=0)

    def _levels_behind(self, reference: str) -> int:
        if reference not in self._known:
            self._known[reference] = 0  # what a recursion finds while the count goes on
            self._known[reference] = self.levels_of(self._definitions.get(reference, {}))
        return self._known[reference]
