"""What all parts of a profile have in common: frozen, and strict when they are read."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

type Share = Annotated[float, Meta(ge=0, le=1)]
type Seconds = Annotated[float, Meta(ge=0)]
type Count = Annotated[int, Meta(ge=1)]
type Whole = Annotated[int, Meta(ge=0)]


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a profile. Unknown fields, wrong types and values out of bounds are refused."""
