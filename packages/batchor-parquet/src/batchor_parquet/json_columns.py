"""From Arrow columns to columns that JSON can hold; what Arrow can convert is never touched by Python."""

import base64
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import pyarrow as pa
from pyarrow import types
from pyarrow.compute import ReplaceSubstringOptions, call_function

from batchor_parquet.column_kinds import is_list, kind_of

type NonFinite = Literal["error", "null"]

_PLAIN = {"null", "boolean", "integer", "text"}
# The years 1 to 9999, which ISO 8601 writes with four digits.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_UNITS_PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class UnfitValueError(Exception):
    """A value that has no form in JSON; the text says why and what to do."""


def as_json_column(array: pa.Array, non_finite: NonFinite) -> pa.Array:
    """*array* with values that `to_pylist` makes JSON-able; `UnfitValueError` when one can't be.

    Of a type that `kind_of` knows. Moments, dates and times become text in ISO 8601, moments in UTC, to the nanosecond
    where there are some; durations seconds; decimals and UUIDs text; bytes base64; dictionaries their values.
    """
    arrow = array.type
    if types.is_dictionary(arrow):
        return as_json_column(array.dictionary_decode(), non_finite)
    if isinstance(arrow, pa.BaseExtensionType):
        return _extension(array, non_finite)
    if types.is_struct(arrow):
        return _struct(array, non_finite)
    if types.is_map(arrow):
        return _map(array, non_finite)
    if is_list(arrow):
        return _list(array, non_finite)
    kind, _ = kind_of(arrow)
    if kind in _PLAIN:
        return array
    if kind == "number":
        return _number(array, non_finite)
    return _CONVERSIONS[kind](array)


def _extension(array: pa.ExtensionArray, non_finite: NonFinite) -> pa.Array:
    match array.type:
        case pa.UuidType():
            return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
        case pa.Bool8Type():
            return array.storage.cast(pa.bool_())
        case _:
            return as_json_column(array.storage, non_finite)


def _struct(array: pa.StructArray, non_finite: NonFinite) -> pa.Array:
    members = [as_json_column(member, non_finite) for member in array.flatten()]
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    return pa.StructArray.from_arrays(members, names=names, mask=array.is_null())


def _list(array: pa.Array, non_finite: NonFinite) -> pa.Array:
    lengths = call_function("list_value_length", [array]).cast(pa.int64()).fill_null(0)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), call_function("cumulative_sum", [lengths])])
    values = as_json_column(array.flatten(), non_finite)
    return pa.LargeListArray.from_arrays(offsets, values, mask=array.is_null())


def _map(array: pa.MapArray, non_finite: NonFinite) -> pa.Array:
    # The children are those of the whole column, of which this may be a slice.
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    keys = as_json_column(array.keys.slice(first, last - first), non_finite)
    items = as_json_column(array.items.slice(first, last - first), non_finite)
    offsets = call_function("subtract", [array.offsets, pa.scalar(first, pa.int32())])
    return pa.MapArray.from_arrays(offsets, keys, items, mask=array.is_null())


def _number(array: pa.Array, non_finite: NonFinite) -> pa.Array:
    finite = call_function("is_finite", [array])
    if finite.false_count:
        if non_finite == "error":
            raise UnfitValueError(
                "a value is NaN or infinite, which is no JSON number; leave the column out of columns=, "
                "or read such values as None with non_finite='null'"
            )
        array = call_function("if_else", [finite, array, pa.scalar(None, array.type)])
    return array.cast(pa.float32()) if types.is_float16(array.type) else array


def _timestamp(array: pa.Array) -> pa.Array:
    unit = _UNITS_PER_S[array.type.unit]
    _check_range(array.cast(pa.int64()), _FIRST_SECOND * unit, (_LAST_SECOND + 1) * unit - 1)
    if array.type.tz is not None:
        # The same instants; so no database of zones is needed, and the text is the same everywhere.
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    texts = _without_zero_fraction(_replaced(array.cast(pa.string()), " ", "T"))
    return texts if array.type.tz is None else _replaced(texts, "Z", "+00:00")


def _date(array: pa.Array) -> pa.Array:
    days = array.cast(pa.date32())
    _check_range(days.cast(pa.int32()), _FIRST_DAY, _LAST_DAY)
    return days.cast(pa.string())


def _time(array: pa.Array) -> pa.Array:
    return _without_zero_fraction(array.cast(pa.string()))


def _without_zero_fraction(texts: pa.Array) -> pa.Array:
    options = ReplaceSubstringOptions(r"\.0+(Z?)$", r"\1")
    return call_function("replace_substring_regex", [texts], options)


def _replaced(texts: pa.Array, old: str, new: str) -> pa.Array:
    return call_function("replace_substring", [texts], ReplaceSubstringOptions(old, new))


def _check_range(numbers: pa.Array, first: int, last: int) -> None:
    # Arrow would write nonsense for what is beyond, and say nothing. Python's numbers don't overflow in the comparison.
    bounds = call_function("min_max", [numbers]).as_py()
    if bounds["min"] is not None and (bounds["min"] < first or bounds["max"] > last):
        raise UnfitValueError("a moment is not in the years 1 to 9999; correct it, or leave the column out of columns=")


def _text_by(written: Callable[..., str]) -> Callable[[pa.Array], pa.Array]:
    def convert(array: pa.Array) -> pa.Array:
        texts = [None if value is None else written(value) for value in array.to_pylist()]
        return pa.array(texts, pa.large_string())

    return convert


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


def _base64_text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _duration(array: pa.Array) -> pa.Array:
    unit = _UNITS_PER_S[array.type.unit]
    seconds = [None if ticks is None else ticks / unit for ticks in array.cast(pa.int64()).to_pylist()]
    return pa.array(seconds, pa.float64())


_CONVERSIONS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "decimal": _text_by(_decimal_text),
    "bytes": _text_by(_base64_text),
    "moment": _timestamp,
    "timestamp without zone": _timestamp,
    "date": _date,
    "time": _time,
    "duration": _duration,
}
