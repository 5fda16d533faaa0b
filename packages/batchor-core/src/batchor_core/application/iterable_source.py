"""Items from any iterable: resumed by walking it again."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from batchor_core.domain.item import BatchItem
from batchor_core.domain.item_checks import check_item_id
from batchor_core.errors import InvalidItemError, SourceError
from batchor_core.json_types import JsonValue
from batchor_core.ports.sources import CheckpointedItemSource, SourceIdentity


@dataclass(frozen=True, slots=True)
class _Progress:
    """How many items were walked, and a hash over their ids."""

    count: int
    ids_sha256: str


class _IterableCursor[PayloadT]:
    def __init__(self, items: Iterator[BatchItem[PayloadT]], reference: str) -> None:
        self._items = items
        self._reference = reference
        self._count = 0
        self._ids = hashlib.sha256()

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        for item in self._items:
            item_id = self._checked_id(item).encode()
            # With its length before it, so that ("ab", "c") is not ("a", "bc").
            self._ids.update(len(item_id).to_bytes(4))
            self._ids.update(item_id)
            self._count += 1
            yield item

    def checkpoint(self) -> JsonValue:
        return {"count": self._count, "ids_sha256": self._ids.hexdigest()}

    def close(self) -> None:
        self._items = iter(())

    def _checked_id(self, item: BatchItem[PayloadT]) -> str:
        try:
            return check_item_id(item, self._count)
        except InvalidItemError:
            # An item that was refused comes again; it is not passed over.
            self._items = chain((item,), self._items)
            raise

    def walk_to(self, progress: _Progress) -> None:
        walked = self._count
        if progress.count:
            for _ in self:
                walked = self._count
                if walked == progress.count:
                    break
        if walked < progress.count:
            problem = f"has only {walked} items, but the run has read {progress.count}"
        elif self.checkpoint() != asdict(progress):
            problem = f"begins with other items than the {progress.count} that the run has read"
        else:
            return
        raise SourceError(f"{self._reference} {problem}; give the same items in the same order, or start a new run id")


class IterableItemSource[PayloadT]:
    """Any iterable of items, such as a list, as a source that a run can leave and take up again.

    Reading on means walking the items again up to the checkpoint; their ids are hashed on the way, so other
    items, or others before these, are a `SourceError`. Payloads are not compared. Metadata is left as it is: items get
    no lineage here, as their maker knows more than this class, and lineage that they bring along stays. An iterator
    (a generator, a `map`, a file) can be walked once only: opening it again, or at a checkpoint, is a `SourceError`.
    """

    def __init__(self, items: Iterable[BatchItem[PayloadT]]) -> None:
        if not isinstance(items, Iterable):
            raise SourceError(f"a {type(items).__name__} yields no items; give a list of BatchItem, or a file source")
        self._items = items
        self._reference = type(items).__name__
        self._walked = False

    def identity(self) -> SourceIdentity:
        """The type's name alone: what an iterable yields can't be known without walking it, so it has no fingerprint.

        That the items are the same is found out by `open`, from the checkpoint.
        """
        return SourceIdentity("iterable", self._reference, "")

    def open(self, checkpoint: JsonValue) -> _IterableCursor[PayloadT]:
        progress = None if checkpoint is None else self._progress(checkpoint)
        if isinstance(self._items, Iterator):
            self._walk_once(resumed=progress is not None and progress.count > 0)
        cursor = _IterableCursor(iter(self._items), self._reference)
        if progress is not None:
            cursor.walk_to(progress)
        return cursor

    def __iter__(self) -> Iterator[BatchItem[PayloadT]]:
        return iter(self.open(None))

    def _progress(self, checkpoint: JsonValue) -> _Progress:
        match checkpoint:
            case {"count": int(count), "ids_sha256": str(ids_sha256)} if count >= 0:
                return _Progress(count, ids_sha256)
            case _:
                raise SourceError(f"{checkpoint!r} is no checkpoint of an iterable source; start a new run id")

    def _walk_once(self, *, resumed: bool) -> None:
        if self._walked or resumed:
            raise SourceError(
                f"a {self._reference} can be walked only once, from its beginning, so no run can read on in it; "
                "give a list, or a source that reads a file, such as JsonlItemSource"
            )
        self._walked = True


def as_checkpointed(items: Iterable[BatchItem[Any]]) -> CheckpointedItemSource[Any]:
    """A checkpointed source as it is, anything else as an `IterableItemSource`."""
    return items if isinstance(items, CheckpointedItemSource) else IterableItemSource(items)
