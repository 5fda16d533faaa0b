"""Arrow's values as what JSON can hold."""

import base64
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

type Convert = Callable[[Any], Any]


class NotFiniteError(ValueError):
    """A number that JSON cannot hold."""


def json_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of *batch*, in JSON's values.

    Timestamps, dates and times become ISO 8601 (a timestamp with a zone in UTC), durations seconds, decimals strings, binary
    Base64, maps lists of `[key, value]`. `NotFiniteError` for NaN and infinity.
    """
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _values(column: pa.Array) -> list[Any]:
    if pt.is_dictionary(column.type):
        column = column.dictionary_decode()
    convert = converter(column.type)
    values: list[Any] = _plain_times(column).to_pylist()
    return values if convert is None else [None if value is None else convert(value) for value in values]


def _plain_times(column: pa.Array) -> pa.Array:
    """Nanoseconds as text by Arrow itself: Python's datetimes end at microseconds."""
    if pt.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    if pt.is_time64(column.type) and column.type.unit == "ns":
        return column.cast(pa.time64("us"), safe=False)
    if pt.is_duration(column.type) and column.type.unit == "ns":
        return column.cast(pa.duration("us"), safe=False)
    return column


def converter(kind: pa.DataType) -> Convert | None:
    """From a Python value of *kind* to JSON's; None where it is that already."""
    for is_kind, convert in _CONVERTERS:
        if is_kind(kind):
            return convert
    if pt.is_dictionary(kind):
        return converter(kind.value_type)
    if pt.is_map(kind):
        return _map(converter(kind.key_type), converter(kind.item_type))
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return _list(converter(kind.value_type))
    if pt.is_struct(kind):
        return _struct({field.name: converter(field.type) for field in kind})
    return None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise NotFiniteError(f"{value} is no JSON number")
    return float(value)


def _iso(value: date | datetime | time) -> str:
    return value.isoformat()


def _seconds(value: timedelta) -> float:
    return value.total_seconds()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _any_temporal(kind: pa.DataType) -> bool:
    return bool(pt.is_temporal(kind) and not pt.is_duration(kind))


def _any_binary(kind: pa.DataType) -> bool:
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind))


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Convert], ...] = (
    (pt.is_floating, _finite),
    (_any_temporal, _iso),
    (pt.is_duration, _seconds),
    (pt.is_decimal, _decimal),
    (_any_binary, _base64),
)


def _optional(convert: Convert | None) -> Convert:
    if convert is None:
        return lambda value: value
    return lambda value: None if value is None else convert(value)


def _list(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    each = _optional(convert)
    return lambda values: [each(value) for value in values]


def _map(of_key: Convert | None, of_value: Convert | None) -> Convert:
    key, value = _optional(of_key), _optional(of_value)
    return lambda pairs: [[key(left), value(right)] for left, right in pairs]


def _struct(converters: dict[str, Convert | None]) -> Convert | None:
    if not any(converters.values()):
        return None
    each = {name: _optional(convert) for name, convert in converters.items()}
    return lambda struct: {name: each[name](value) for name, value in struct.items()}
