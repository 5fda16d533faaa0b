"""Lineage as users are told it: back in the metadata of each item, out of the spans that are stored."""

import sys
from bisect import bisect_right
from collections.abc import Sequence
from json.encoder import encode_basestring as _quoted
from typing import NamedTuple

from batchor_core.domain.lineage import LINEAGE_KEY, LineageSpan


class LineageText(NamedTuple):
    """The lineage of a span's items as the end of their metadata's JSON: what stands before and behind what differs."""

    head: str
    ahead: int
    """Of an item's index, its number in its source."""
    prefix_length: int
    """Of the part of its id that is not its source's."""
    tail: str

    def behind(self, metadata: str | None, item_id: str, index: int) -> str:
        """*metadata* with the lineage of its item behind it."""
        head, ahead, prefix_length, tail = self
        own = "{" if metadata is None else f"{metadata[:-1]}, "
        return f'{own}{head}{index + ahead}, "source_primary_key": {_quoted(item_id[prefix_length:])}{tail}'


class Told(NamedTuple):
    """What is told of the items with first_index <= index < end_index."""

    first_index: int
    end_index: int
    text: LineageText | None
    """None: their metadata is what is stored."""


class ToldLineage:
    """The lineage of some items. Its text is spliced, not parsed, as `json.dumps(..., ensure_ascii=False)` writes the whole."""

    def __init__(self, spans: Sequence[LineageSpan]) -> None:
        """*spans*: those of the items, ascending."""
        self._firsts = [span.first_index for span in spans]
        self._bounds = [0, *self._firsts, sys.maxsize]
        self._texts = [None, *map(_text, spans)]

    def around(self, index: int) -> Told:
        """What is told of the item with this index and of its neighbours."""
        at = bisect_right(self._firsts, index)
        return Told(self._bounds[at], self._bounds[at + 1], self._texts[at])

    def metadata(self, stored: str | None, item_id: str, index: int) -> str | None:
        """The metadata that users see, as JSON text, of what is stored; None for none."""
        text = self._texts[bisect_right(self._firsts, index)]
        return stored if text is None else text.behind(stored, item_id, index)


def _text(span: LineageSpan) -> LineageText | None:
    if span.source_ref is None:
        return None
    reference, namespace, partition = (
        "null" if text is None else _quoted(text)
        for text in (span.source_ref, span.source_namespace, span.partition_id)
    )
    return LineageText(
        head=f'"{LINEAGE_KEY}": {{"source_ref": {reference}, "source_item_index": ',
        ahead=span.first_source_index - span.first_index,
        prefix_length=len(span.id_prefix),
        tail=f', "source_namespace": {namespace}, "partition_id": {partition}}}}}',
    )


NO_LINEAGE = ToldLineage(())
