"""Whether an item that has no good answer is tried again, and when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, assert_never

from batchor_core.domain.output_line import LineOutcome
from batchor_core.domain.policies import RetryPolicy


class RetryRow(NamedTuple):
    """An item that is to be sent again. One row per item, replaced by its next retry, gone with its result."""

    item_index: int
    attempts_used: int
    """Attempts that the model answered so far."""
    deferrals: int
    """How often it was sent and not run so far."""
    not_before: datetime
    reason: str
    batch_id: int | None = None
    """The batch that it is bound to; None: it waits."""


@dataclass(frozen=True, slots=True)
class Tries:
    """What was spent on an item before the present batch."""

    attempts_used: int = 0
    deferrals: int = 0

    def after(self, outcome: LineOutcome) -> "Tries":
        if outcome is LineOutcome.THROTTLED:
            return self
        if outcome.model_answered:
            return Tries(self.attempts_used + 1, self.deferrals)
        return Tries(self.attempts_used, self.deferrals + 1)


class Verdict(StrEnum):
    """What becomes of an item after an outcome."""

    ACCEPT = "accept"
    RETRY = "retry"
    FAIL = "fail"


def judge(outcome: LineOutcome, tries: Tries, policy: RetryPolicy) -> Verdict:
    """What becomes of an item after *outcome*; *tries* includes the one that ended so."""
    wish = _wish(outcome, policy)
    if wish is not Verdict.RETRY or outcome is LineOutcome.THROTTLED:
        return wish
    has_tries = tries.attempts_used < policy.max_attempts and tries.deferrals <= policy.max_deferrals
    return Verdict.RETRY if has_tries else Verdict.FAIL


def _wish(outcome: LineOutcome, policy: RetryPolicy) -> Verdict:
    match outcome:
        case LineOutcome.ANSWERED:
            return Verdict.ACCEPT
        case LineOutcome.REFUSED:
            return Verdict(policy.on_refusal)
        case LineOutcome.TRUNCATED:
            return Verdict(policy.on_truncation)
        case LineOutcome.EMPTY:
            return Verdict(policy.on_empty)
        case LineOutcome.REQUEST_FAILED:
            return Verdict.FAIL  # the same request fails again
        case (
            LineOutcome.INVALID_OUTPUT
            | LineOutcome.PROVIDER_FAILED
            | LineOutcome.NOT_RUN
            | LineOutcome.THROTTLED
            | LineOutcome.UNREADABLE
        ):
            return Verdict.RETRY
        case _:
            assert_never(outcome)


def backoff(failures: int, policy: RetryPolicy, *, jitter: float, retry_after_s: float | None = None) -> timedelta:
    """How long to wait after the *failures*-th failure in a row (from 1); *jitter* in [0, 1) takes up to half off."""
    doubled = policy.base_backoff_s * 2.0 ** min(failures - 1, 60)
    seconds = min(doubled, policy.max_backoff_s) * (1 - jitter / 2)
    return timedelta(seconds=max(seconds, retry_after_s or 0.0))


def retry_at(
    now: datetime, tries: Tries, policy: RetryPolicy, *, jitter: float, retry_after_s: float | None
) -> datetime:
    """When an item with *tries* behind it is due again."""
    failures = max(tries.attempts_used + tries.deferrals, 1)
    return now + backoff(failures, policy, jitter=jitter, retry_after_s=retry_after_s)
