"""What JSON becomes of a column: the kinds that files of one dataset must agree on."""

from collections.abc import Iterable

import pyarrow as pa
from pyarrow import types

type Kind = tuple[str, tuple[tuple[str, "Kind"], ...]]
"""A word, and the kinds within: of a list's elements, an object's members by name, a map's values."""

_ANYTHING = "null"
"""A column of nulls alone agrees with all."""

_WORDS = (
    (types.is_null, _ANYTHING),
    (types.is_boolean, "boolean"),
    (types.is_integer, "integer"),
    (types.is_floating, "number"),
    (types.is_decimal, "decimal"),
    (lambda arrow: types.is_string(arrow) or types.is_large_string(arrow) or types.is_string_view(arrow), "text"),
    (
        lambda arrow: (
            types.is_binary(arrow)
            or types.is_large_binary(arrow)
            or types.is_binary_view(arrow)
            or types.is_fixed_size_binary(arrow)
        ),
        "bytes",
    ),
    (lambda arrow: types.is_timestamp(arrow) and arrow.tz is not None, "moment"),
    (types.is_timestamp, "timestamp without zone"),
    (types.is_date, "date"),
    (types.is_time, "time"),
    (types.is_duration, "duration"),
)


class UnsupportedTypeError(Exception):
    """A type that has no form in JSON; the text names it."""


def is_list(arrow: pa.DataType) -> bool:
    return bool(
        types.is_list(arrow)
        or types.is_large_list(arrow)
        or types.is_fixed_size_list(arrow)
        or types.is_list_view(arrow)
        or types.is_large_list_view(arrow)
    )


def holds_map(arrow: pa.DataType) -> bool:
    if types.is_map(arrow):
        return True
    return any(holds_map(arrow.field(number).type) for number in range(arrow.num_fields))


def kind_of(arrow: pa.DataType) -> Kind:
    """The kind of a type; `UnsupportedTypeError` for one that no JSON stands for."""
    if types.is_dictionary(arrow):
        return kind_of(arrow.value_type)
    if isinstance(arrow, pa.BaseExtensionType):
        return _kind_of_extension(arrow)
    if is_list(arrow):
        return "list", (("", kind_of(arrow.value_type)),)
    if types.is_map(arrow):
        return "map", (("keys", kind_of(arrow.key_type)), ("values", kind_of(arrow.item_type)))
    if types.is_struct(arrow):
        members = [arrow.field(number) for number in range(arrow.num_fields)]
        if (doubled := first_doubled(member.name for member in members)) is not None:
            raise UnsupportedTypeError(f"an object with two members {doubled!r}")
        return "object", tuple(sorted((member.name, kind_of(member.type)) for member in members))
    for is_such, word in _WORDS:
        if is_such(arrow):
            return word, ()
    raise UnsupportedTypeError(f"the type {arrow}")


def merged(one: Kind, other: Kind) -> Kind | None:
    """The kind that both agree on; None when they don't."""
    if one == other or other[0] == _ANYTHING:
        return one
    if one[0] == _ANYTHING:
        return other
    if one[0] != other[0] or [name for name, _ in one[1]] != [name for name, _ in other[1]]:
        return None
    within = [(name, merged(mine, its)) for (name, mine), (_, its) in zip(one[1], other[1], strict=True)]
    agreed = tuple((name, kind) for name, kind in within if kind is not None)
    return (one[0], agreed) if len(agreed) == len(within) else None


def kind_in_words(kind: Kind) -> str:
    word, within = kind
    if not within:
        return word
    return f"{word} of {', '.join(f'{name} {kind_in_words(member)}'.strip() for name, member in within)}"


def first_doubled(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _kind_of_extension(arrow: pa.BaseExtensionType) -> Kind:
    match arrow:
        case pa.UuidType():
            return "text", ()
        case pa.Bool8Type():
            return "boolean", ()
        case _:
            return kind_of(arrow.storage_type)
