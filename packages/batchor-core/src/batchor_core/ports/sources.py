"""Where items come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

from batchor_core.domain.item import BatchItem
from batchor_core.domain.lineage import Lineage
from batchor_core.json_types import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """What tells one input from another: equal identities give equal items in equal order."""

    kind: str
    reference: str
    """For people: a path, a table, a query."""
    fingerprint: str
    """Changes when the content does."""

    def to_json(self) -> JsonObject:
        return {"kind": self.kind, "reference": self.reference, "fingerprint": self.fingerprint}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["kind"], stored["reference"], stored["fingerprint"])

    def __str__(self) -> str:
        return f"{self.kind} {self.reference} ({self.fingerprint})"


class SourceCursor[PayloadT](Protocol):
    """One pass over a source."""

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        """The items from here on; raises `SourceError`s that name file and line."""
        ...

    def checkpoint(self) -> JsonValue:
        """JSON that leads a later `open` right behind the item that was yielded last."""
        ...

    def close(self) -> None: ...


class ItemStretch[PayloadT](NamedTuple):
    """Neighbouring items of one source, in its order."""

    items: Sequence[BatchItem[PayloadT]]
    lineage: Lineage | None = None
    """The first item's, where each of them has some that differs from it by number and id only; else None."""
    own: Sequence[JsonObject] | None = None
    """What their metadata holds beside this lineage; None where it holds nothing else, or `lineage` is None."""


@runtime_checkable
class StretchCursor(Protocol):
    """What a cursor may add, to be read at half of the price."""

    def take(self, limit: int) -> ItemStretch[Any]:
        """Up to *limit* of the next items, none at the end. `checkpoint` then leads behind the last of them.

        Raises the `SourceError` of an item only when it is the next one: those before it are given out first.
        """
        ...


class ItemSource[PayloadT](Protocol):
    """Anything that yields items; a list will do."""

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]: ...


@runtime_checkable
class CheckpointedItemSource[PayloadT](Protocol):
    """A source that a run can leave and take up again in another process."""

    def identity(self) -> SourceIdentity: ...

    def open(self, checkpoint: JsonValue) -> SourceCursor[PayloadT]:
        """A cursor behind *checkpoint*, None for the beginning, without reading what lies before it."""
        ...

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]: ...


@runtime_checkable
class ComparableSource(Protocol):
    """What a checkpointed source may add: to say how its content has changed, not only that it has."""

    def difference_from(self, stored: SourceIdentity) -> str:
        """How this source differs from *stored*, the unequal identity that it had when a run was started.

        A clause that names the source, such as `rows were appended to /data/a.jsonl, which has grown from …`.
        Raises the `SourceError`s of `identity()`.
        """
        ...


def describe_change(source: CheckpointedItemSource[Any], stored: SourceIdentity) -> str:
    """How *source* differs from the unequal identity that a run was started with, in words."""
    if isinstance(source, ComparableSource):
        return source.difference_from(stored)
    return describe_difference(stored, source.identity())


def describe_difference(stored: SourceIdentity, given: SourceIdentity) -> str:
    """What two unequal identities alone tell, in words."""
    if stored.kind == given.kind and stored.reference == given.reference:
        return f"the content of {given.kind} {given.reference} was changed"
    same_content = stored.kind == given.kind and stored.fingerprint == given.fingerprint != ""
    remark = ", which has the same content: give the path that the run was started with" if same_content else ""
    return f"the run reads {stored.kind} {stored.reference}, the job gives {given.kind} {given.reference}{remark}"
