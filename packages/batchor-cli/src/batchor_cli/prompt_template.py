"""Prompt templates: `{field}` and nothing else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Self

from batchor_core.errors import ConfigurationError, SourceError


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A template, parsed once.

    `{name}` stands for the row's field of that name, `{{` and `}}` for braces. There is no access to
    attributes or elements and no formatting: a template can say nothing but which fields go where.
    """

    parts: tuple[str | _Field, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`ConfigurationError` names what cannot be understood."""
        try:
            return cls(tuple(_parts(text)))
        except ValueError as error:
            raise ConfigurationError(
                f"the prompt template {text!r}: {error}; braces are written {{{{ and }}}}"
            ) from None

    @property
    def fields(self) -> list[str]:
        """The names of the fields that are put in."""
        return [part.name for part in self.parts if isinstance(part, _Field)]

    def fill(self, row: Mapping[str, Any]) -> str:
        """The prompt of *row*."""
        return "".join(part if isinstance(part, str) else field_text(row, part.name) for part in self.parts)


def field_text(row: Mapping[str, Any], name: str) -> str:
    """A field as it stands in a prompt: text as it is, everything else as JSON. `SourceError` when there is none."""
    try:
        value = row[name]
    except KeyError:
        known = ", ".join(repr(key) for key in list(row)[:20])
        raise SourceError(f"the row has no field {name!r}; it has {known or 'none'}") from None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parts(text: str) -> Iterator[str | _Field]:
    for literal, name, spec, conversion in Formatter().parse(text):
        if literal:
            yield literal
        if name is not None:
            yield _checked(name, spec=spec, conversion=conversion)


def _checked(name: str, *, spec: str | None, conversion: str | None) -> _Field:
    if spec or conversion:
        raise ValueError(f"after the field {name!r} stands a format; write {{{name}}} alone")
    if not name.strip():
        raise ValueError("a pair of braces names no field")
    if any(char in name for char in ".[]{}"):
        raise ValueError(f"{name!r} is no plain field name; only fields at the top of a row can be used")
    return _Field(name)
