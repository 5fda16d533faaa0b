"""What comes back: stored results, and the results that users read."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, Self, TypeVar

from batchor_core.domain.item import ItemStatus
from batchor_core.domain.output_line import ResponseMetadata, TokenUsage
from batchor_core.json_types import JsonValue

if TYPE_CHECKING:
    # Known to every type checker without being installed; the standard library has defaults from 3.13.
    from typing_extensions import TypeVar as DefaultTypeVar

    OutputT = DefaultTypeVar("OutputT", default=None)
else:
    OutputT = TypeVar("OutputT")


class ErrorClass(StrEnum):
    """Why an item failed, beside the outcomes of output lines, which keep their names."""

    PROMPT_FAILED = "prompt_failed"
    """`build_prompt` raised, and the run records that."""
    INVALID_REQUEST = "invalid_request"
    """The prompt cannot be encoded."""
    REQUEST_TOO_LARGE = "request_too_large"
    INPUT_REJECTED = "input_rejected"
    """The provider found fault with this line of the input file."""
    RUN_CANCELLED = "run_cancelled"
    """The run was cancelled before the item had an answer."""


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """Why an item has no result.

    `error_class` is one of `ErrorClass` or `LineOutcome`; `code` and `status_code` are the provider's.
    """

    error_class: str
    message: str
    code: str | None = None
    status_code: int | None = None

    def to_json(self) -> str:
        fields = {
            "error_class": self.error_class,
            "message": self.message,
            "code": self.code,
            "status_code": self.status_code,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None})

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


class ResultRow(NamedTuple):
    """A result as it is appended: once per item, never changed. A tuple, for it is written by the million."""

    item_index: int
    sequence: int
    """Counts the run's results in the order in which they ended, from 1."""
    attempt_count: int
    batch_id: int | None
    """None: the item was never sent."""
    raw_artifact_id: int | None
    raw_offset: int
    raw_length: int
    """The byte range of the output line in its artifact."""
    output_text: str | None
    response_metadata: str
    """`ResponseMetadata.to_json()`."""
    failure: str | None
    """`ItemFailure.to_json()` of a failed item, None for a completed one: what tells the two apart."""

    @property
    def status(self) -> ItemStatus:
        """COMPLETED, or FAILED_PERMANENT where there is a failure."""
        return ended_as(self.failure)


def ended_as(failure: str | None) -> ItemStatus:
    """The status of an item whose result has this failure."""
    return ItemStatus.COMPLETED if failure is None else ItemStatus.FAILED_PERMANENT


class StoredResult(NamedTuple):
    """What most readers ask of a result, beside what is stored of its item: one flat tuple, for it is read by the million.

    `ResultStore.get` has the rest.
    """

    item_id: str
    metadata: str | None
    """JSON text as `json.dumps(..., ensure_ascii=False)` writes it; None where the item has none."""
    item_index: int
    sequence: int
    attempt_count: int
    output_text: str | None
    response_metadata: str
    failure: str | None

    @property
    def status(self) -> ItemStatus:
        return ended_as(self.failure)

    @classmethod
    def of(cls, item_id: str, metadata: str | None, row: ResultRow) -> Self:
        return cls(item_id, metadata, *(getattr(row, name) for name in cls._fields[2:]))


type StoredFields = tuple[str, str | None, int, int, int, str | None, str, str | None]
"""The fields of a `StoredResult` in their order, as a driver gives them.

Whoever reads by the million unpacks these tuples: to make another of each would take as long as what is read of it.
"""


class FailureCount(NamedTuple):
    """How often items of a run failed in one way."""

    error_class: str
    items: int


class ResultSource(Protocol):
    """Where results were read from: gives what many users of them never ask for."""

    def metadata(self, stored: StoredResult) -> str | None:
        """The item's metadata with its lineage, as JSON text; None where it has none."""
        ...

    def raw_line(self, stored: StoredResult) -> JsonValue:
        """The provider's line; None where there is none, or none any more."""
        ...


class _OfStored:
    """What a result was made of; nothing where it was made by hand."""

    __slots__ = ("_source", "_stored")
    _stored: StoredFields
    _source: ResultSource


@dataclass(slots=True, kw_only=True)
class TextItemResult(_OfStored):
    """The outcome of one item, as text. A value: not to be changed.

    `output_text` is None for an item without an answer; `error` says why it failed. `attempt_count`
    counts the attempts that the model answered.
    """

    item_id: str
    status: ItemStatus
    attempt_count: int
    output_text: str | None
    error: ItemFailure | None
    metadata: Mapping[str, Any]
    usage: TokenUsage
    finish_reason: str | None = None
    sequence: int

    @classmethod
    def of_stored(cls, stored: Iterable[StoredFields], source: ResultSource) -> Iterator[Self]:
        """The results as users see them. What many of them never ask for is made when they do: metadata, usage, finish reason."""
        # In one loop: a call for each would take a third longer.
        completed = ItemStatus.COMPLETED
        for fields in stored:
            self = cls.__new__(cls)
            self._stored = fields  # type: ignore[misc]  # mypy does not see the slots of the class above
            self._source = source  # type: ignore[misc]
            self.item_id, _, _, self.sequence, self.attempt_count, self.output_text, _, failure = fields
            if failure is None:
                self.status, self.error = completed, None
            else:
                self.status, self.error = ended_as(failure), ItemFailure.from_json(failure)
            yield self

    if not TYPE_CHECKING:  # where it would hide misspelt names

        def __getattr__(self, name: str) -> Any:
            """Build a field that is asked for the first time: only then is its slot empty."""
            match name:
                case "metadata":
                    self.metadata = json.loads(self._source.metadata(StoredResult(*self._stored)) or "{}")
                    return self.metadata
                case "usage" | "finish_reason":
                    response = ResponseMetadata.from_json(StoredResult(*self._stored).response_metadata)
                    self.usage, self.finish_reason = response
                    return getattr(response, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def raw_response(self) -> Any:
        """The provider's output line, read from its artifact at each access; None once that is pruned."""
        return self._source.raw_line(StoredResult(*self._stored)) if hasattr(self, "_stored") else None


@dataclass(slots=True, kw_only=True)
class StructuredItemResult(TextItemResult, Generic[OutputT]):  # noqa: UP046  type parameters have no defaults in 3.12
    """The outcome of one item of a run with `structured_output`.

    `output` is an instance of the model for a completed item, else None.
    """

    output: OutputT | None = None


@dataclass(frozen=True, slots=True)
class TerminalResultsPage:
    """Results in the order in which they ended; give `next_after_sequence` to read on."""

    items: tuple[TextItemResult, ...]
    next_after_sequence: int
    has_more: bool
