"""Where an item comes from, so that its result can be joined to its row."""

from collections.abc import Mapping
from typing import NamedTuple

from batchor_core.json_types import JsonObject

LINEAGE_KEY = "batchor_lineage"
"""The key of the lineage in an item's metadata, beside the user's own."""


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

    def to_json(self) -> JsonObject:
        return {
            "source_ref": self.source_ref,
            "source_item_index": self.source_item_index,
            "source_primary_key": self.source_primary_key,
            "source_namespace": self.source_namespace,
            "partition_id": self.partition_id,
        }


_MEMBERS = frozenset(Lineage._fields)


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
    inner = lineage["source_namespace"]
    joined = namespace if inner is None else f"{namespace}:{inner}"
    return {**metadata, LINEAGE_KEY: {**lineage, "source_namespace": joined}}


def metadata_fault(metadata: object) -> str | None:
    """Why a source cannot put lineage beside a user's metadata, and what to do about it; None when it can."""
    if not isinstance(metadata, (dict, Mapping)):
        return f"the metadata is a {type(metadata).__name__}, not an object; return a dict"
    if LINEAGE_KEY in metadata:
        return f"the metadata has the key {LINEAGE_KEY!r}, under which the source tells the row; rename yours"
    return None
