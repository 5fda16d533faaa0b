"""Faults of HTTP calls."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from msgspec import Meta

from batchor_emulator.faults.value import Count, Seconds, Share, Value, Whole

type When = Literal["before", "after"]
type HttpStatus = Annotated[int, Meta(ge=400, le=599)]


class CallChoice(Value, frozen=True, kw_only=True, tag_field="action"):
    """Which calls a fault strikes.

    *on* is a pattern, with `*`, of the call's name in the SDK (`batches.create`) or of its method
    and route (`GET /v1/batches/{batch_id}`). Of the matching calls the first *skip* pass; of the
    others a *share* is struck, and at most *count*.
    """

    on: str = "*"
    skip: Whole = 0
    share: Share = 1.0
    count: Count | None = None

    def concerns(self, operation: str, route: str) -> bool:
        """Whether the pattern fits a call."""
        return fnmatchcase(operation, self.on) or fnmatchcase(route, self.on)


class Drop(CallChoice, frozen=True, kw_only=True, tag="drop"):
    """The connection is closed without an answer; with *when* `after`, what was asked for is done and durable."""

    when: When = "before"


class Status(CallChoice, frozen=True, kw_only=True, tag="status"):
    """An error is the answer; with *when* `after`, what was asked for is done nevertheless.

    *as_html* answers with a page, as gateways do.
    """

    when: When = "before"
    status: HttpStatus = 500
    code: str | None = None
    message: str | None = None
    retry_after_s: Seconds | None = None
    as_html: bool = False


class Delay(CallChoice, frozen=True, kw_only=True, tag="delay"):
    """The call is served late.

    With *when* `before`, the act is done even if the client has given up, unless its body has more than 8 MiB.
    """

    when: When = "before"
    delay_s: Seconds = 1.0


class Truncate(CallChoice, frozen=True, kw_only=True, tag="truncate"):
    """Only *keep_share* of the body arrives.

    The connection is cut then, so the body is shorter than announced. *silently*: a shorter length
    is announced, and only the content can tell.
    """

    keep_share: Share = 0.5
    silently: bool = False


class Slow(CallChoice, frozen=True, kw_only=True, tag="slow"):
    """The body trickles."""

    bytes_per_s: Count = 100_000


type CallFault = Drop | Status | Delay | Truncate | Slow


def ends_call(fault: CallFault) -> bool:
    """Whether no other fault has a say in a call that *fault* strikes."""
    return isinstance(fault, Drop | Status)
