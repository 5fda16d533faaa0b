"""How many prompt tokens may be enqueued at the provider."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from batchor_core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class EnqueueLimits:
    """A provider's limit of enqueued prompt tokens, and how much of it to use.

    `target_ratio` of `enqueued_token_limit`, less `headroom`, is the budget; one batch takes at most
    `max_batch_enqueued_tokens` of it. Runs with equal `quota_scope` share one budget (None: the
    model's name).
    """

    enqueued_token_limit: int | None = None
    target_ratio: float = 1.0
    headroom: int = 0
    max_batch_enqueued_tokens: int | None = None
    quota_scope: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target_ratio <= 1:
            raise ConfigurationError("target_ratio must lie above 0 and be at most 1")
        if self.headroom < 0:
            raise ConfigurationError("headroom must not be negative")
        if self.max_batch_enqueued_tokens is not None and self.max_batch_enqueued_tokens < 1:
            raise ConfigurationError("max_batch_enqueued_tokens must be at least 1")
        if self.budget is not None and self.budget < 1:
            raise ConfigurationError("enqueued_token_limit x target_ratio - headroom leaves no token to send")

    @property
    def budget(self) -> int | None:
        """Tokens that may be enqueued at any moment; None: unbounded."""
        if self.enqueued_token_limit is None:
            return None
        return int(self.enqueued_token_limit * self.target_ratio) - self.headroom

    @property
    def max_batch_tokens(self) -> int | None:
        """Tokens that one batch may enqueue; None: unbounded."""
        bounds = [bound for bound in (self.budget, self.max_batch_enqueued_tokens) if bound is not None]
        return min(bounds, default=None)


_LOWERED = 0.5
_RAISED = 1.05
_FIRST_WAIT_S = 60.0
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class CapacityRecord:
    """What is known of one scope's queue at the provider.

    The provider shows neither its limit nor what is left of it; `learned_limit` follows from what it
    refuses and takes.
    """

    scope: str
    reserved: int = 0
    """Tokens of the open batches of all runs of the scope."""
    learned_limit: int | None = None
    """Lowered by each refusal, raised slowly by each success; None: never refused."""
    refusals: int = 0
    """Refusals in a row."""
    blocked_until: datetime | None = None
    """No batch is sent before that."""

    def room(self, limits: EnqueueLimits | None) -> int | None:
        """Tokens that may be reserved now; None: unbounded."""
        budget = None if limits is None else limits.budget
        bounds = [bound for bound in (budget, self.learned_limit) if bound is not None]
        return None if not bounds else max(min(bounds) - self.reserved, 0)

    def reserving(self, tokens: int) -> Self:
        return replace(self, reserved=self.reserved + tokens)

    def releasing(self, tokens: int) -> Self:
        return replace(self, reserved=max(self.reserved - tokens, 0))

    def refused(self, now: datetime, *, enqueued: int) -> Self:
        """After the provider's queue was full with *enqueued* tokens of ours in it (the refused ones among them)."""
        known = enqueued if self.learned_limit is None else min(self.learned_limit, enqueued)
        wait_s = min(_FIRST_WAIT_S * 2.0 ** min(self.refusals, 30), _LONGEST_WAIT_S)
        return replace(
            self,
            learned_limit=max(int(known * _LOWERED), 1) if enqueued else self.learned_limit,
            refusals=self.refusals + 1,
            blocked_until=now + timedelta(seconds=wait_s),
        )

    def accepted(self, limits: EnqueueLimits | None) -> Self:
        """After a batch was taken: the wait is over, and a learned limit grows a little."""
        limit = None if self.learned_limit is None else int(self.learned_limit * _RAISED) + 1
        budget = None if limits is None else limits.budget
        if limit is not None and budget is not None and limit >= budget:
            limit = None
        return replace(self, learned_limit=limit, refusals=0, blocked_until=None)
