"""A fault profile: all that goes wrong, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from batchor_emulator.faults.batch_fault import BatchFault
from batchor_emulator.faults.call_fault import CallFault
from batchor_emulator.faults.row_fault import RowFault
from batchor_emulator.faults.value import Seconds, Value, Whole


class FaultProfileError(ValueError):
    """The profile can't be read; the message names the place and what was expected."""


class FaultProfile(Value, frozen=True, kw_only=True):
    """What goes wrong. The default is that nothing does.

    A created batch is missing from lists for *list_lag_s*, and an uploaded file can't be made a
    batch of for *file_lag_s*. *enqueued_token_limit* is one number for every model, or one by model.
    """

    seed: int = 0
    calls: tuple[CallFault, ...] = ()
    batches: tuple[BatchFault, ...] = ()
    rows: tuple[RowFault, ...] = ()
    list_lag_s: Seconds = 0.0
    file_lag_s: Seconds = 0.0
    foreign_batches_per_create: Whole = 0
    enqueued_token_limit: Whole | dict[str, Whole] | None = None
    ids: Literal["openai", "uuid"] = "openai"

    def token_limit(self, model: str | None) -> int | None:
        """The prompt tokens that may be enqueued for *model*; None when there is no limit."""
        if isinstance(self.enqueued_token_limit, dict):
            return self.enqueued_token_limit.get(model or "")
        return self.enqueued_token_limit


def read_profile(data: bytes | str | Mapping[str, object], *, name: str) -> FaultProfile:
    """Read JSON, or what JSON was read to. Raises `FaultProfileError`, which calls it *name*."""
    try:
        if isinstance(data, bytes | str):
            return msgspec.json.decode(data, type=FaultProfile)
        return msgspec.convert(data, FaultProfile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FaultProfileError(f"{name} is no fault profile: {error}") from None


def write_profile(profile: FaultProfile) -> bytes:
    """The opposite of `read_profile`; what is as always is left out."""
    return msgspec.json.encode(profile)


def merged(profiles: Iterable[FaultProfile]) -> FaultProfile:
    """All of them at once: lists are joined, and of other values the last that is not the default counts."""
    whole: dict[str, object] = {}
    for profile in profiles:
        for name in profile.__struct_fields__:
            value = getattr(profile, name)
            if value != getattr(_NO_FAULTS, name):
                before = whole.get(name)
                whole[name] = (*before, *value) if isinstance(before, tuple) else value
    return msgspec.structs.replace(_NO_FAULTS, **whole)


_NO_FAULTS = FaultProfile()
