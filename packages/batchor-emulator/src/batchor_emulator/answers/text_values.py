"""Strings that conform to a format, a pattern, or a length."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import override
from uuid import UUID

from batchor_emulator.answers.draw import Draw
from batchor_emulator.answers.pattern import Pattern
from batchor_emulator.answers.request_fault import RequestFaultError
from batchor_emulator.answers.schema_nodes import Node

_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "iris", "juniper", "kelp", "lark")
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_PATTERN_TRIES = 20


def _moment(draw: Draw) -> datetime:
    return _EPOCH + timedelta(seconds=draw.below(31_536_000))


def _word(draw: Draw) -> str:
    return _WORDS[draw.below(len(_WORDS))]


def _address(draw: Draw, count: int, form: str, separator: str) -> str:
    return separator.join(format(draw.between(1, 254), form) for _ in range(count))


# fmt: off
_FORMATS: Mapping[str, Callable[[Draw], str]] = {
    "date-time": lambda draw: _moment(draw).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "date":      lambda draw: _moment(draw).strftime("%Y-%m-%d"),
    "time":      lambda draw: _moment(draw).strftime("%H:%M:%SZ"),
    "duration":  lambda draw: f"P{draw.between(1, 30)}DT{draw.between(1, 23)}H",
    "email":     lambda draw: f"{_word(draw)}.{draw.below(1_000)}@example.com",
    "hostname":  lambda draw: f"{_word(draw)}-{draw.below(1_000)}.example.com",
    "ipv4":      lambda draw: f"192.0.2.{draw.between(1, 254)}",
    "ipv6":      lambda draw: f"2001:db8::{_address(draw, 2, 'x', ':')}",
    "uuid":      lambda draw: str(UUID(int=draw.below(1 << 33) << 90 | draw.below(1 << 33), version=4)),
    "uri":       lambda draw: f"https://example.com/{_word(draw)}/{draw.below(1_000)}",
}
# fmt: on


def text_node(schema: Mapping[str, object]) -> Node:
    """The node for a schema of type string.

    Raises `RequestFaultError` for an unknown format and for a pattern beyond what `Pattern` reads.
    """
    pattern, format_name = schema.get("pattern"), schema.get("format")
    if isinstance(pattern, str):
        return MatchingText(pattern)
    if isinstance(format_name, str):
        if format_name not in _FORMATS:
            raise RequestFaultError(f"Invalid schema: {format_name!r} is not a supported format.")
        return FormattedText(_FORMATS[format_name])
    return PlainText(_length(schema, "minLength", 0), _length(schema, "maxLength", 1 << 20))


def _length(schema: Mapping[str, object], name: str, default: int) -> int:
    value = schema.get(name, default)
    if not isinstance(value, int):
        raise RequestFaultError(f"Invalid schema: {name!r} must be a whole number.")
    return value


class _Text(Node):
    @override
    def least_depth(self) -> float:
        return 0


class FormattedText(_Text):
    """A string in a published format."""

    def __init__(self, write: Callable[[Draw], str]) -> None:
        super().__init__()
        self._write = write

    @override
    def generate(self, draw: Draw, level: int) -> str:
        return self._write(draw)


class PlainText(_Text):
    """A few words of `least..most` characters."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__()
        self._least, self._most = least, most

    @override
    def generate(self, draw: Draw, level: int) -> str:
        text = f"{_word(draw)} {_word(draw)} {draw.below(10_000)}"
        return text.ljust(self._least, "x")[: self._most]


class MatchingText(_Text):
    """A string that matches a regular expression, proved by Python's own matcher."""

    def __init__(self, source: str) -> None:
        super().__init__()
        try:
            self._matcher = re.compile(source)
            self._pattern = Pattern(source)
        except (re.error, ValueError) as error:
            raise RequestFaultError(f"Invalid schema: the pattern {source!r} is not supported: {error}") from None

    @override
    def generate(self, draw: Draw, level: int) -> str:
        for _ in range(_PATTERN_TRIES):
            text = self._pattern.text(draw)
            if self._matcher.search(text):
                return text
        raise RequestFaultError(f"The pattern {self._matcher.pattern!r} is beyond this emulator.", status=500)
