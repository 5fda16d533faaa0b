"""Faults of whole batches, and the fate that follows from them."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from batchor_emulator.faults.row_fault import RowFault
from batchor_emulator.faults.value import Count, Seconds, Share, Value


class _Outcome(Value, frozen=True, kw_only=True, tag_field="type"):
    pass


class Fail(_Outcome, frozen=True, kw_only=True, tag="fail"):
    """The batch is refused in validation: nothing is executed.

    *lines*, counted from 1, and the lines that have *containing* in them are named as the faulty ones; when
    *containing* is given and no line has it, the batch is spared. With neither, one error without a line is told.
    """

    code: str = "invalid_request"
    message: str = "The batch could not be validated."
    lines: tuple[Count, ...] = ()
    containing: str | None = None


class Expire(_Outcome, frozen=True, kw_only=True, tag="expire"):
    """The batch expires after *at_share* of its requests."""

    at_share: Share = 0.5


class Cancel(_Outcome, frozen=True, kw_only=True, tag="cancel"):
    """The provider cancels the batch after *at_share* of its requests; nobody asked for that."""

    at_share: Share = 0.5


class Stick(_Outcome, frozen=True, kw_only=True, tag="stick"):
    """The batch stands still after *at_share* of its requests, also past its window, until it is cancelled."""

    at_share: Share = 0.5


type Outcome = Fail | Expire | Cancel | Stick


class BatchEffects(Value, frozen=True, kw_only=True):
    """What may happen to a batch. What is left at its default is as always.

    *statuses* shows other words for statuses, and no time for them. *vanish_after_s* seconds after its
    creation the batch is not found any more; it is worked on all the same. *rows* adds faults of its rows.
    """

    outcome: Outcome | None = None
    statuses: dict[str, str] = field(default_factory=dict)
    counts: Literal["null", "zero", "wrong"] | None = None
    output_file: Literal["missing"] | None = None
    error_file: Literal["missing", "empty", "blank-id"] | None = None
    run_s: Seconds | None = None
    vanish_after_s: Seconds | None = None
    rows: tuple[RowFault, ...] = ()


class BatchFault(BatchEffects, frozen=True, kw_only=True):
    """Which batches have these effects.

    *ordinals* count the batches that were created since the profile was set, from 1; none means all.
    Of these a *share* is struck, and at most *count*.
    """

    ordinals: tuple[Count, ...] = ()
    share: Share = 1.0
    count: Count | None = None


class Fate(BatchEffects, frozen=True, kw_only=True):
    """What will happen to one batch. It is decided when the batch is created, and stored with it."""

    seed: int
    ordinal: int
