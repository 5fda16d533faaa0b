"""Where items come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from batchor_core.domain.item import BatchItem
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
