"""Items: what a user gives, and the states an item goes through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, Self

from batchor_core.domain.batch import BatchState
from batchor_core.domain.lineage import Lineage, with_lineage
from batchor_core.domain.transitions import next_status, terminal_statuses
from batchor_core.json_types import JsonObject

# Values that are made by the million are not frozen, which would make them four times as dear. Nothing changes them.


_NOTHING: JsonObject = {}


class _OfRow:
    """What the metadata of an item that a source made is built from; nothing where it was made by hand."""

    __slots__ = ("_lineage", "_number", "_own")
    _lineage: Lineage
    _number: int
    _own: JsonObject


@dataclass(slots=True, unsafe_hash=True)
class BatchItem[PayloadT](_OfRow):
    """One row of the dataset: an id that is unique in its run, what the prompt is built from, what comes back with it.

    `metadata` must be JSON-able; it is stored and returned with the result. The payload is not stored. A value: not to
    be changed.
    """

    item_id: str
    payload: PayloadT
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_rows(
        cls,
        item_ids: Iterable[str],
        payloads: Iterable[PayloadT],
        lineage: Lineage,
        own: Iterable[JsonObject] | None = None,
    ) -> list[Self]:
        """Neighbouring rows as items whose metadata is built when it is asked for; *lineage* is the first's, *own* all else."""
        items: list[Self] = []
        beside = repeat(_NOTHING) if own is None else own
        for number, item_id, payload, metadata in zip(
            count(lineage.source_item_index), item_ids, payloads, beside, strict=False
        ):
            item = cls.__new__(cls)
            item.item_id = item_id
            item.payload = payload
            # mypy does not see the slots of the class above.
            item._lineage = lineage  # type: ignore[misc]  # noqa: SLF001  one's own class
            item._number = number  # type: ignore[misc]  # noqa: SLF001
            item._own = metadata  # type: ignore[misc]  # noqa: SLF001
            items.append(item)
        return items

    if not TYPE_CHECKING:  # where it would hide misspelt names

        def __getattr__(self, name: str) -> Any:
            """Build the metadata when it is asked for the first time: only then is its slot empty."""
            if name == "metadata":
                self.metadata = with_lineage(self._own, self._lineage.of_neighbour(self._number, self.item_id))
                return self.metadata
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


@dataclass(slots=True, unsafe_hash=True)
class PromptParts:
    """What `build_prompt` returns when a plain string is not enough. A value: not to be changed."""

    prompt: str
    system_prompt: str | None = None


class ItemStatus(StrEnum):
    """Where an item stands."""

    PENDING = "pending"
    QUEUED_LOCAL = "queued_local"
    SUBMITTED = "submitted"
    COMPLETED = "completed"
    FAILED_RETRYABLE = "failed_retryable"
    FAILED_PERMANENT = "failed_permanent"


class ItemEvent(StrEnum):
    """What happens to an item."""

    CLAIM = "claim"
    RELEASE = "release"
    SUBMIT = "submit"
    SUCCEED = "succeed"
    FAIL = "fail"
    REJECT = "reject"
    REQUEUE = "requeue"
    CANCEL = "cancel"
    REOPEN = "reopen"


S, E = ItemStatus, ItemEvent

# fmt: off
TRANSITIONS: Mapping[tuple[ItemStatus, ItemEvent], ItemStatus] = {
    # from                event        to
    (S.PENDING,           E.CLAIM):    S.QUEUED_LOCAL,
    (S.PENDING,           E.CANCEL):   S.FAILED_PERMANENT,
    (S.QUEUED_LOCAL,      E.RELEASE):  S.PENDING,
    (S.QUEUED_LOCAL,      E.SUBMIT):   S.SUBMITTED,
    (S.QUEUED_LOCAL,      E.REJECT):   S.FAILED_PERMANENT,  # before submission
    (S.SUBMITTED,         E.SUCCEED):  S.COMPLETED,
    (S.SUBMITTED,         E.FAIL):     S.FAILED_RETRYABLE,
    (S.SUBMITTED,         E.REJECT):   S.FAILED_PERMANENT,  # attempts used up, or a fault that no retry mends
    (S.FAILED_RETRYABLE,  E.REQUEUE):  S.PENDING,
    (S.FAILED_RETRYABLE,  E.CANCEL):   S.FAILED_PERMANENT,
    (S.FAILED_PERMANENT,  E.REOPEN):   S.FAILED_RETRYABLE,  # by an operator alone
}
# fmt: on
TERMINAL = terminal_statuses(ItemStatus, TRANSITIONS, but_for=ItemEvent.REOPEN)

BATCH_STATE_TO_STATUS: Mapping[BatchState, ItemStatus] = {
    BatchState.PREPARED: S.QUEUED_LOCAL,
    BatchState.UPLOADED: S.QUEUED_LOCAL,
    BatchState.CREATING: S.QUEUED_LOCAL,
    BatchState.FENCING: S.QUEUED_LOCAL,
    BatchState.SUBMITTED: S.SUBMITTED,
    BatchState.ENDED: S.SUBMITTED,
}


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What is stored about one item, as far as its status follows from it."""

    result: ItemStatus | None
    """The status of its result row: COMPLETED or FAILED_PERMANENT."""
    awaits_retry: bool
    """It has a retry row that is not bound to a batch."""
    batch_state: BatchState | None
    """The state of the batch that holds it: its retry row's, else the open one whose range it is in."""


def derive_status(facts: ItemFacts) -> ItemStatus:
    """The status that follows from the stored facts; it is stored nowhere else."""
    if facts.result is not None:
        return facts.result
    if facts.awaits_retry:
        return S.FAILED_RETRYABLE
    if facts.batch_state is None:
        return S.PENDING
    return BATCH_STATE_TO_STATUS.get(facts.batch_state, S.PENDING)


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """How many items of a run are in each status; their sum is the number of accepted items."""

    pending: int = 0
    queued_local: int = 0
    submitted: int = 0
    completed: int = 0
    failed_retryable: int = 0
    failed_permanent: int = 0

    @property
    def accepted(self) -> int:
        return self.open + self.completed + self.failed_permanent

    @property
    def open(self) -> int:
        """Items without a final result."""
        return self.pending + self.queued_local + self.submitted + self.failed_retryable

    def of(self, status: ItemStatus) -> int:
        count: int = getattr(self, status.value)
        return count

    def accept(self, number: int, *, status: ItemStatus = ItemStatus.PENDING) -> Self:
        """Count *number* new items, born pending or, when they can't be sent at all, failed."""
        return replace(self, **{status.value: self.of(status) + number})

    def move(self, status: ItemStatus, *events: ItemEvent, number: int) -> Self:
        """Lead *number* items from *status* along *events*, each a row of the table."""
        target = status
        for event in events:
            target = next_status(TRANSITIONS, target, event)
        if target is status or number == 0:
            return self
        return replace(self, **{status.value: self.of(status) - number, target.value: self.of(target) + number})
