"""Faults of single requests of a batch, and of their lines."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from batchor_emulator.faults.value import Count, Share, Value


class RowFaultKind(StrEnum):
    """What happens to a row, or to its line. In each case the row was executed, and is in the ledger."""

    # its answer
    ERROR = "error"
    NO_RESPONSE_KEY = "no-response-key"
    ZERO_STATUS = "zero-status"
    REFUSAL = "refusal"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    PROSE = "prose"
    BAD_TEXT = "bad-text"
    HUGE = "huge"
    STRING_BODY = "string-body"
    # its line
    LOST = "lost"
    DUPLICATE = "duplicate"
    GARBAGE = "garbage"
    UNKNOWN_ID = "unknown-id"


LINE_KINDS = frozenset(
    {RowFaultKind.LOST, RowFaultKind.DUPLICATE, RowFaultKind.GARBAGE, RowFaultKind.UNKNOWN_ID},
)
"""Those that strike when the result files are written; the others strike at execution."""


class RowFault(Value, frozen=True, kw_only=True):
    """A fault of a *share* of the rows.

    It can be narrowed to *lines* of the input file, counted from 1, and to rows whose body or
    custom_id has *containing* in its JSON. *status_code* and *code* are for `error` and
    `no-response-key`, *bytes* is the least length of a `huge` line.
    """

    kind: RowFaultKind
    share: Share = 1.0
    lines: tuple[Count, ...] = ()
    containing: str | None = None
    status_code: Annotated[int, Meta(ge=400, le=599)] = 500
    code: str | None = None
    bytes: Count = 20_000_000
