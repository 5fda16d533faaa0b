"""How many prompt tokens may be enqueued at the provider."""

from dataclasses import dataclass

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
