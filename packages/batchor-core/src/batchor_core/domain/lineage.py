"""Where an item comes from, so that its result can be joined to its row."""

from dataclasses import dataclass

from batchor_core.json_types import JsonObject

LINEAGE_KEY = "batchor_lineage"
"""The key of the lineage in an item's metadata, beside the user's own."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """The row that became an item."""

    source_ref: str
    """The source, for people: a path as it was given."""
    source_item_index: int
    """The item's place among the items of its own source, from 0."""
    source_primary_key: str
    """The id that its source gave it, before a composite put a namespace in front."""
    source_namespace: str | None = None
    """The namespace that a composite gave its source; None outside of composites."""
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


def with_lineage(metadata: JsonObject, lineage: Lineage) -> JsonObject:
    """*metadata* with the lineage of its row."""
    return {**metadata, LINEAGE_KEY: lineage.to_json()}
