"""Where an item comes from, so that its result can be joined to its row.

Users see it in each item's metadata. Neighbours of one source differ in their number and their id only, so what is
stored is a span for all of them; lineage that cannot be derived from one stays in the item's own metadata.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from batchor_core.json_types import JsonObject

LINEAGE_KEY = "batchor_lineage"
"""The key of the lineage in an item's metadata, beside the user's own."""

_MAX_SOURCE_INDEX = 2**53
"""Far from the end of what databases keep as an integer, with room for the items behind it."""


class Lineage(NamedTuple):
    """The row that became an item."""

    source_ref: str
    """The source, for people: a path as it was given."""
    source_item_index: int
    """The item's place among the items of its own source, from 0."""
    source_primary_key: str
    """The id that its source gave it, before a composite put a namespace in front."""
    source_namespace: str | None = None
    """What a composite put in front of the id, `outer:inner` where composites are nested; None outside of composites."""
    partition_id: str | None = None
    """The part of the source that holds the row, such as a file of a dataset; None where there are no parts."""

    def in_namespace(self, namespace: str) -> "Lineage":
        """The lineage with *namespace* before any that is there."""
        return self._replace(source_namespace=_joined(namespace, self.source_namespace))

    def of_neighbour(self, number: int, item_id: str) -> "Lineage":
        """The lineage of the same source's item number *number*, whose id is *item_id*."""
        key = item_id[len(_id_prefix(self.source_namespace)) :]
        return self._replace(source_item_index=number, source_primary_key=key)

    def to_json(self) -> JsonObject:
        return {
            "source_ref": self.source_ref,
            "source_item_index": self.source_item_index,
            "source_primary_key": self.source_primary_key,
            "source_namespace": self.source_namespace,
            "partition_id": self.partition_id,
        }


_FIELDS = Lineage._fields
_MEMBERS = frozenset(_FIELDS)
_NO_METADATA: JsonObject = {}


def with_lineage(metadata: JsonObject, lineage: Lineage) -> JsonObject:
    """*metadata* with the lineage of its row; `metadata_fault` tells beforehand whether it has room for it."""
    return {**metadata, LINEAGE_KEY: lineage.to_json()}


def in_namespace(metadata: object, namespace: str) -> JsonObject | None:
    """*metadata* with *namespace* in its lineage, before any that is there; None when it holds no lineage."""
    # Here and below, dict stands first for speed: asking for a Mapping costs ten times as much, for each row.
    if not isinstance(metadata, (dict, Mapping)):
        return None
    lineage = metadata.get(LINEAGE_KEY)
    if not isinstance(lineage, dict) or lineage.keys() != _MEMBERS:
        return None
    joined = _joined(namespace, lineage["source_namespace"])
    return {**metadata, LINEAGE_KEY: {**lineage, "source_namespace": joined}}


def _joined(namespace: str, inner: str | None) -> str:
    return namespace if inner is None else f"{namespace}:{inner}"


def metadata_fault(metadata: object) -> str | None:
    """Why a source cannot put lineage beside a user's metadata, and what to do about it; None when it can."""
    if not isinstance(metadata, (dict, Mapping)):
        return f"the metadata is a {type(metadata).__name__}, not an object; return a dict"
    if LINEAGE_KEY in metadata:
        return f"the metadata has the key {LINEAGE_KEY!r}, under which the source tells the row; rename yours"
    return None


class LineageSpan(NamedTuple):
    """Neighbouring items of one source, from `first_index` to where the next span begins.

    The first of them is the source's item number `first_source_index`. Each has the id that its source gave it, behind
    the namespace and a colon where there is one.
    """

    first_index: int
    source_ref: str | None
    """None: these items have no lineage, or tell it in metadata of their own."""
    source_namespace: str | None = None
    partition_id: str | None = None
    first_source_index: int = 0

    @property
    def id_prefix(self) -> str:
        return _id_prefix(self.source_namespace)


def _id_prefix(namespace: str | None) -> str:
    return "" if namespace is None else f"{namespace}:"


class LineageWriter:
    """Takes the lineage out of items that come one behind the other, and tells it in spans."""

    def __init__(self, last: LineageSpan | None) -> None:
        """*last*: the span that is stored last, None for a run without."""
        self._new: list[LineageSpan] = []
        self._enter(LineageSpan(0, None) if last is None else last)

    def new_spans(self) -> list[LineageSpan]:
        """Those that began since this was asked last."""
        new, self._new = self._new, []
        return new

    def own_metadata(self, metadata: Any, item_id: str, index: int) -> Any:
        """What is to be stored of an item's metadata: all but lineage that its span tells."""
        told = self._told
        told["source_item_index"] = index + self._ahead
        told["source_primary_key"] = item_id[self._prefix_length :]
        if type(metadata) is dict and metadata:
            # The usual row has nothing else. Equal is enough: the order of members is looked at where a span begins.
            if self._is_open and metadata == self._only_told:
                return _NO_METADATA
            # Read back, lineage stands behind everything else; elsewhere it stays where it is.
            if next(reversed(metadata)) == LINEAGE_KEY:
                lineage = metadata[LINEAGE_KEY]
                if (self._is_open and lineage == told) or self._begins(lineage, item_id, index):
                    return {key: value for key, value in metadata.items() if key != LINEAGE_KEY}
        if self._is_open:
            self._begin(LineageSpan(index, None))
        return metadata

    def tells(self, lineage: Lineage, item_id: str, index: int) -> bool:
        """Whether spans tell this lineage of an item, and of its neighbours with the number counted up."""
        told = self._told
        told["source_item_index"] = index + self._ahead
        told["source_primary_key"] = item_id[self._prefix_length :]
        as_json = lineage.to_json()
        return (self._is_open and as_json == told) or self._begins(as_json, item_id, index)

    def _begins(self, lineage: Any, item_id: str, index: int) -> bool:
        if (span := _span_of(lineage, item_id, index)) is None:
            return False
        self._begin(span)
        return True

    def _begin(self, span: LineageSpan) -> None:
        self._new.append(span)
        self._enter(span)

    def _enter(self, span: LineageSpan) -> None:
        self._is_open = span.source_ref is not None
        self._ahead = span.first_source_index - span.first_index
        self._prefix_length = len(span.id_prefix)
        lineage = Lineage(span.source_ref or "", 0, "", span.source_namespace, span.partition_id)
        self._told: dict[str, Any] = dict(lineage.to_json())
        self._only_told = {LINEAGE_KEY: self._told}


def _span_of(lineage: Any, item_id: str, index: int) -> LineageSpan | None:
    """The span that begins with this item; None when it would not give back just this lineage."""
    match lineage:
        case {
            "source_ref": str(reference),
            "source_item_index": int(number),
            "source_primary_key": str(key),
            "source_namespace": str() | None as namespace,
            "partition_id": str() | None as partition,
        } if type(lineage) is dict and tuple(lineage) == _FIELDS:
            span = LineageSpan(index, reference, namespace, partition, number)
        case _:
            return None
    is_number = type(number) is int and 0 <= number < _MAX_SOURCE_INDEX
    texts = (reference, namespace or "", partition or "")
    return span if is_number and item_id == span.id_prefix + key and all(map(_is_storable, texts)) else None


def _is_storable(text: str) -> bool:
    """Whether databases take it."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
