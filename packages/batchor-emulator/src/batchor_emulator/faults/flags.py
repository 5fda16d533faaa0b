"""The flags `--fault NAME[=VALUE]`: short names for simple profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from batchor_emulator.faults.profile import FaultProfile, FaultProfileError, read_profile
from batchor_emulator.faults.row_fault import RowFaultKind

type _Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class FlagForm:
    """One flag: what its value means, and the profile that it stands for."""

    value: str
    meaning: str
    profile: Callable[[str], _Fields]


def profile_of_flag(text: str) -> FaultProfile:
    """Read `NAME[=VALUE]`. Raises `FaultProfileError`."""
    name, _, value = text.partition("=")
    form = FLAGS.get(name)
    if form is None:
        raise FaultProfileError(f"there is no fault {name!r}; there are {', '.join(sorted(FLAGS))}")
    try:
        return read_profile(form.profile(value), name=f"--fault {text}")
    except ValueError as error:
        raise FaultProfileError(f"--fault {text}: the value is {form.value or 'not wanted'} ({error})") from None


def flags_described() -> str:
    """A line for each flag: its name, its value, and what goes wrong."""
    return "\n".join(
        f"  {name + (f'={form.value}' if form.value else ''):<44} {form.meaning}" for name, form in FLAGS.items()
    )


def _call(action: str, *, on: str, **fields: object) -> Callable[[str], _Fields]:
    def read(value: str) -> _Fields:
        target, _, how = value.partition("@")
        return {"calls": [{"action": action, "on": target or on, **fields, **_amount(how or "1x")}]}

    return read


def _outcome(kind: str) -> Callable[[str], _Fields]:
    def read(value: str) -> _Fields:
        at, _, how = value.partition("@")
        place = {"at_share": _share(at)} if at else {}
        return {"batches": [{"outcome": {"type": kind, **place}, **_amount(how or "1x")}]}

    return read


def _batch(**effects: Any) -> Callable[[str], _Fields]:
    def read(value: str) -> _Fields:
        return {"batches": [{**effects, **(_amount(value) if value else {})}]}

    return read


def _row(kind: str) -> Callable[[str], _Fields]:
    def read(value: str) -> _Fields:
        return {"rows": [{"kind": kind, "share": _share(value)}]}

    return read


def _number(field: str, kind: type[int | float]) -> Callable[[str], _Fields]:
    return lambda value: {field: kind(value)}


def _amount(how: str) -> _Fields:
    if how.endswith("x"):
        return {"count": int(how[:-1])}
    return {"share": _share(how)}


def _share(text: str) -> float:
    if not text.endswith("%"):
        raise ValueError(f"{text!r} is no percentage such as 5%")
    return float(text[:-1]) / 100


def _one_batch(**effects: Any) -> Callable[[str], _Fields]:
    return lambda value: {"batches": [{**effects, **_amount(value or "1x")}]}


_CALL = "[CALL][@2x or @5%]"
_SHARE = "a percentage such as 1%"
_HOW = "[2x or 5%]"

# fmt: off
FLAGS: Mapping[str, FlagForm] = {
    "drop":              FlagForm(_CALL, "close the connection before acting", _call("drop", on="*")),
    "act-then-drop":     FlagForm(_CALL, "act, then close the connection", _call("drop", on="*", when="after")),
    "server-error":      FlagForm(_CALL, "500, not acted", _call("status", on="*", status=500)),
    "act-then-500":      FlagForm(_CALL, "act, then 500", _call("status", on="*", status=500, when="after")),
    "bad-gateway":       FlagForm(_CALL, "502 with a page of HTML", _call("status", on="*", status=502, as_html=True)),
    "rate-limit":        FlagForm(_CALL, "429 with Retry-After: 1", _call("status", on="*", status=429, retry_after_s=1)),
    "long-rate-limit":   FlagForm(_CALL, "429 with Retry-After: 130", _call("status", on="*", status=429, retry_after_s=130)),
    "quota":             FlagForm(_CALL, "429 insufficient_quota", _call("status", on="*", status=429, code="insufficient_quota")),
    "bad-key":           FlagForm(_CALL, "401", _call("status", on="*", status=401)),
    "not-found":         FlagForm(_CALL, "404", _call("status", on="batches.retrieve", status=404)),
    "no-files-list":     FlagForm("", "files.list is 404", lambda _: {"calls": [{"action": "status", "on": "files.list", "status": 404}]}),
    "delay":             FlagForm(_CALL, "2 s before acting", _call("delay", on="*", delay_s=2)),
    "act-then-delay":    FlagForm(_CALL, "2 s between act and answer", _call("delay", on="*", delay_s=2, when="after")),
    "truncate":          FlagForm(_CALL, "half of the body, then the end", _call("truncate", on="files.content")),
    "truncate-silently": FlagForm(_CALL, "half of the body, as if it were all", _call("truncate", on="files.content", silently=True)),
    "slow":              FlagForm(_CALL, "100 kB/s", _call("slow", on="files.content")),
    "fail":              FlagForm(_HOW, "a batch fails in validation", _one_batch(outcome={"type": "fail"})),
    "expire":            FlagForm("[50%][@2x or @5%]", "a batch expires there", _outcome("expire")),
    "cancel":            FlagForm("[50%][@2x or @5%]", "the provider cancels a batch there", _outcome("cancel")),
    "stick":             FlagForm("[50%][@2x or @5%]", "a batch stands still there", _outcome("stick")),
    "vanish":            FlagForm(_HOW, "a batch is 404 at once", _one_batch(vanish_after_s=0)),
    "null-counts":       FlagForm(_HOW, "request_counts is null", _batch(counts="null")),
    "zero-counts":       FlagForm(_HOW, "request_counts stays 0", _batch(counts="zero")),
    "wrong-counts":      FlagForm(_HOW, "request_counts is wrong", _batch(counts="wrong")),
    "no-output-file":    FlagForm(_HOW, "no output file", _batch(output_file="missing")),
    "no-error-file":     FlagForm(_HOW, "no error file", _batch(error_file="missing")),
    "empty-error-file":  FlagForm(_HOW, "an error file of 0 bytes", _batch(error_file="empty")),
    "blank-error-id":    FlagForm(_HOW, 'error_file_id is ""', _batch(error_file="blank-id")),
    "no-finalizing":     FlagForm(_HOW, "finalizing is not shown", _batch(statuses={"finalizing": "in_progress"})),
    "unknown-statuses":  FlagForm(_HOW, "scheduling, running", _batch(statuses={"validating": "scheduling", "in_progress": "running"})),
    "list-lag":          FlagForm("seconds", "lists lag behind", _number("list_lag_s", float)),
    "file-lag":          FlagForm("seconds", "400 Cannot find file", _number("file_lag_s", float)),
    "foreign":           FlagForm("a number", "batches of others after each create", _number("foreign_batches_per_create", int)),
    "enqueued-tokens":   FlagForm("a number", "the enqueued-token limit", _number("enqueued_token_limit", int)),
    "uuid-ids":          FlagForm("", "ids are UUIDs", lambda _: {"ids": "uuid"}),
    **{kind.value:       FlagForm(_SHARE, f"rows: {kind.value}", _row(kind)) for kind in RowFaultKind},
}
# fmt: on
