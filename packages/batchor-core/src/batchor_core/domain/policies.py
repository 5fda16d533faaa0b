"""What a user may decide about a run; plain values with safe defaults."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from batchor_core.errors import ConfigurationError


def _require(condition: bool, problem: str) -> None:  # noqa: FBT001  reads as an assertion
    if not condition:
        raise ConfigurationError(problem)


@dataclass(frozen=True, slots=True)
class ChunkPolicy:
    """How large one provider batch may be. The defaults are OpenAI's limits, the bytes with 5 % in hand.

    A single request of more than `max_request_bytes` (default: `max_batch_bytes`) is rejected: its
    item fails, the others go on.
    """

    max_requests: int = 50_000
    max_batch_bytes: int = 190_000_000
    max_request_bytes: int | None = None

    def __post_init__(self) -> None:
        _require(self.max_requests >= 1, "ChunkPolicy.max_requests must be at least 1")
        _require(self.max_batch_bytes >= 1, "ChunkPolicy.max_batch_bytes must be at least 1")
        if self.max_request_bytes is not None:
            _require(self.max_request_bytes >= 1, "ChunkPolicy.max_request_bytes must be at least 1")

    @property
    def request_limit_bytes(self) -> int:
        return min(self.max_batch_bytes, self.max_request_bytes or self.max_batch_bytes)


type PoorAnswer = Literal["fail", "retry", "accept"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When an item is tried again.

    `max_attempts` counts attempts that the model answered. A request that was not run (its batch
    expired, the provider had a fault) uses no attempt up, and is sent again at most `max_deferrals` times.
    The wait before a retry doubles from `base_backoff_s` up to `max_backoff_s`, less up to a half at random.

    `on_refusal`, `on_truncation` and `on_empty` say what becomes of an answer in which the model declined, that
    was cut off, or that holds nothing: `"fail"` ends the item as failed at once, `"retry"` tries it
    again as long as it has attempts, `"accept"` takes it as it is, if it fits the output model where there is one. The
    text is kept in every case.
    """

    max_attempts: int = 3
    base_backoff_s: float = 30.0
    max_backoff_s: float = 3600.0
    max_deferrals: int = 10
    on_refusal: PoorAnswer = "fail"
    on_truncation: PoorAnswer = "fail"
    on_empty: PoorAnswer = "retry"

    def __post_init__(self) -> None:
        _require(self.max_attempts >= 1, "RetryPolicy.max_attempts must be at least 1")
        _require(self.max_deferrals >= 0, "RetryPolicy.max_deferrals must not be negative")
        _require(
            0 <= self.base_backoff_s <= self.max_backoff_s,
            "RetryPolicy.base_backoff_s must lie between 0 and max_backoff_s",
        )
        for name in ("on_refusal", "on_truncation", "on_empty"):
            known = getattr(self, name) in {"fail", "retry", "accept"}
            _require(known, f"RetryPolicy.{name} must be 'fail', 'retry' or 'accept'")


@dataclass(frozen=True, slots=True)
class ArtifactPolicy:
    """Which files are kept after their content is in the state. Requests are always kept until pruned.

    `delete_provider_files` deletes a batch's input, output and error file at the provider once its results
    are stored; without it they stay until they expire there.
    """

    persist_raw_output_artifacts: bool = True
    delete_provider_files: bool = False


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """How much one step of ingestion takes before it is made durable: whichever bound comes first."""

    max_rows: int = 5_000
    max_bytes: int = 16_000_000
    max_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """How long a create call with an unclear outcome is looked for before it is given up.

    The input file is deleted first, so a create that arrives later can only fail; the quarantine
    covers what the provider's listing may lag behind.
    """

    quarantine: timedelta = timedelta(seconds=120)
    min_looks: int = 3
    listing_margin: timedelta = timedelta(minutes=5)
    """How far before the send the listing goes back, for clocks that differ."""
