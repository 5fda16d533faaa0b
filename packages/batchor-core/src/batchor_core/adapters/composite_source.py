"""Several sources as one."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from batchor_core.adapters.system import SystemClock
from batchor_core.application.iterable_source import as_checkpointed
from batchor_core.application.stretch import IteratedItems
from batchor_core.domain.item import BatchItem
from batchor_core.domain.item_checks import are_usual_ids, check_item_id, item_id_fault, place_in_words
from batchor_core.domain.lineage import Lineage, in_namespace, metadata_fault, with_lineage
from batchor_core.errors import ConfigurationError, InvalidItemError, SourceError
from batchor_core.json_types import JsonObject, JsonValue
from batchor_core.ports.sources import (
    CheckpointedItemSource,
    ItemStretch,
    SourceIdentity,
    StretchCursor,
    describe_change,
    describe_difference,
)

SEPARATOR = ":"
_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KIND = "composite"
_TOLD_SOURCES = 8
"""So many are named, and told apart when their content has changed."""


class _Child(NamedTuple):
    """One of the sources, and what is put in front of its ids."""

    namespace: str
    source: CheckpointedItemSource[Any]


class _CompositeCursor:
    """One pass over the sources; each is opened when the one before it has ended."""

    def __init__(self, children: Sequence[_Child], *, number: int, items: int, checkpoint: Any) -> None:
        self._children = children
        self._refusal: SourceError | None = None
        self._enter(number, items=items, checkpoint=checkpoint)

    def __iter__(self) -> Iterator[BatchItem[Any]]:
        while items := self.take(1).items:
            yield from items

    def take(self, limit: int) -> ItemStretch[Any]:
        self._refuse_again()
        while not (stretch := self._rows.take(limit)).items:
            if self._number + 1 == len(self._children):
                return stretch
            self._cursor.close()
            self._enter(self._number + 1, items=0, checkpoint=None)
        return self._namespaced(stretch)

    def checkpoint(self) -> JsonValue:
        self._refuse_again()
        return {"source": self._number, "items": self._items, "checkpoint": self._cursor.checkpoint()}

    def close(self) -> None:
        self._cursor.close()

    def _enter(self, number: int, *, items: int, checkpoint: JsonValue) -> None:
        self._number = number
        self._items = items
        self._namespace, self._source = self._children[number]
        self._reference: str | None = None
        cursor = self._cursor = self._source.open(checkpoint)
        self._rows = cursor if isinstance(cursor, StretchCursor) else IteratedItems(iter(cursor), SystemClock())

    def _refuse_again(self) -> None:
        """The source is behind the item that was refused: nothing may go on from here as if it had been passed over."""
        if self._refusal is not None:
            raise self._refusal

    def _namespaced(self, stretch: ItemStretch[Any]) -> ItemStretch[Any]:
        if stretch.lineage is not None:
            item_ids = [f"{self._namespace}{SEPARATOR}{item.item_id}" for item in stretch.items]
            if are_usual_ids(item_ids):
                self._items += len(item_ids)
                lineage, own = stretch.lineage.in_namespace(self._namespace), stretch.own
                payloads = [item.payload for item in stretch.items]
                return ItemStretch(BatchItem.of_rows(item_ids, payloads, lineage, own), lineage, own)
        items: list[BatchItem[Any]] = []
        for item in stretch.items:
            try:
                items.append(self._namespaced_item(item))
            except InvalidItemError as error:
                self._refusal = InvalidItemError(f"source {self._namespace}, {error}")
                if items:
                    break
                raise self._refusal from error
            self._items += 1
        return ItemStretch(items)

    def _namespaced_item(self, item: BatchItem[Any]) -> BatchItem[Any]:
        check_item_id(item, self._items)
        item_id = f"{self._namespace}{SEPARATOR}{item.item_id}"
        if (fault := item_id_fault(item_id)) is not None:
            raise InvalidItemError(f"{place_in_words(self._items)}: with its namespace, {fault}")
        return BatchItem(item_id, item.payload, self._metadata(item))

    def _metadata(self, item: BatchItem[Any]) -> JsonObject:
        namespaced = in_namespace(item.metadata, self._namespace)
        if namespaced is not None:
            return namespaced
        if (fault := metadata_fault(item.metadata)) is not None:
            raise InvalidItemError(f"{place_in_words(self._items)}: {fault}")
        if self._reference is None:
            self._reference = self._source.identity().reference
        return with_lineage(item.metadata, Lineage(self._reference, self._items, item.item_id, self._namespace))


class CompositeItemSource:
    """Sources of any kinds, read one after the other as one source with one checkpoint.

    An item's id becomes `NAMESPACE:ID`, so equal ids of different sources coexist. The namespaces are `s0`, `s1`, … by
    place, or *namespaces*, one for each source: 1 to 64 letters, digits, `.`, `_` or `-`. As they hold no colon, the
    first colon of an id ends its namespace, whatever the id holds. With it an id has at most 10,000 bytes too. The
    metadata's `batchor_lineage` tells the source's own id (`source_primary_key`) and the namespace; for items of a
    source that tells no lineage, such as a list, it is made here.

    The identity is made of the namespaces and the identities of the sources in their order. Lists are sources too; a
    generator can be walked once only, and then no run can be taken up. Errors of a source are raised as they are. Its
    payloads are of any type: sources of different ones may stand beside each other.
    """

    def __init__(
        self,
        sources: Iterable[CheckpointedItemSource[Any] | Iterable[BatchItem[Any]]],
        *,
        namespaces: Sequence[str] | None = None,
    ) -> None:
        checkpointed = [as_checkpointed(source) for source in sources]
        names = [f"s{number}" for number in range(len(checkpointed))] if namespaces is None else list(namespaces)
        _check(names, number_of_sources=len(checkpointed))
        self._children = [_Child(name, source) for name, source in zip(names, checkpointed, strict=True)]

    def identity(self) -> SourceIdentity:
        return self._identity([source.identity() for _, source in self._children])

    def difference_from(self, stored: SourceIdentity) -> str:
        identities = [source.identity() for _, source in self._children]
        given = self._identity(identities)
        if (stored.kind, stored.reference) != (given.kind, given.reference):
            return describe_difference(stored, given)
        before = _fingerprints(stored)
        if len(before) != len(identities):
            return f"one of the sources of {given.reference} was changed"
        changes = [
            f"source {child.namespace}: {describe_change(child.source, replace(now, fingerprint=was))}"
            for child, now, was in zip(self._children, identities, before, strict=True)
            if now.fingerprint != was
        ]
        return "; ".join(changes)

    def open(self, checkpoint: JsonValue) -> _CompositeCursor:
        match checkpoint:
            case None:
                return _CompositeCursor(self._children, number=0, items=0, checkpoint=None)
            case {"source": int(number), "items": int(items), "checkpoint": inner} if (
                0 <= number < len(self._children) and items >= 0
            ):
                return _CompositeCursor(self._children, number=number, items=items, checkpoint=inner)
            case _:
                raise SourceError(
                    f"{checkpoint!r} is no checkpoint of these {len(self._children)} sources; start a new run id"
                )

    def __iter__(self) -> Iterator[BatchItem[Any]]:
        cursor = self.open(None)
        try:
            yield from cursor
        finally:
            cursor.close()

    def _identity(self, identities: Sequence[SourceIdentity]) -> SourceIdentity:
        names = [child.namespace for child in self._children]
        parts = [
            [name, each.kind, each.reference, each.fingerprint] for name, each in zip(names, identities, strict=True)
        ]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        told = [f"{name} = {kind} {reference}" for name, kind, reference, _ in parts[:_TOLD_SOURCES]]
        if len(parts) > _TOLD_SOURCES:
            told.append(f"{len(parts) - _TOLD_SOURCES} more")
            return SourceIdentity(_KIND, ", ".join(told), digest)
        # Beside the hash, so that a later difference can be told source by source.
        fingerprints = json.dumps([each.fingerprint for each in identities], separators=(",", ":"))
        return SourceIdentity(_KIND, ", ".join(told), f"{digest} {fingerprints}")


def _fingerprints(stored: SourceIdentity) -> list[str]:
    """Of each source, as they were stored; none when there were too many."""
    _, _, listed = stored.fingerprint.partition(" ")
    return [str(each) for each in json.loads(listed)] if listed else []


def _check(namespaces: Sequence[object], *, number_of_sources: int) -> None:
    if number_of_sources == 0:
        raise ConfigurationError("a composite source needs at least one source; give a list of sources")
    if len(namespaces) != number_of_sources:
        raise ConfigurationError(f"{len(namespaces)} namespaces for {number_of_sources} sources; give one for each")
    for namespace in namespaces:
        if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
            raise ConfigurationError(
                f"{namespace!r} is no namespace; use 1 to 64 letters, digits, '.', '_' or '-', the separator is ':'"
            )
    if len(set(namespaces)) != len(namespaces):
        raise ConfigurationError(f"namespaces occur twice in {list(namespaces)}; give each source its own")
