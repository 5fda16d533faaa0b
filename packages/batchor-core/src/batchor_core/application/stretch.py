"""Stretches: neighbouring rows that ingestion takes through each of its steps together."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from batchor_core.domain.item import BatchItem
from batchor_core.ports.sources import ItemStretch, StretchCursor
from batchor_core.ports.system import Clock

_MAX_ROWS = 64
"""More are no cheaper: the garbage collector then walks what lives until the stretch is through."""
_MAX_BYTES = 4_000_000
_MAX_S = 0.05


class StretchReader:
    """Reads items of a source stretch by stretch: many where they are small and come fast, else one by one.

    The first stretch is one row, and each is at most twice as long as the one before it. So a source, or a
    `build_prompt`, that takes seconds for a row does not hold up what came before, nor do megabytes add up.
    """

    def __init__(self, items: StretchCursor, clock: Clock) -> None:
        self._items = items
        self._clock = clock
        self._began_s = 0.0
        self._length = 0
        self._next_length = 1
        self._line_bytes = 1

    def take(self, *, max_rows: int, max_bytes: int) -> ItemStretch[Any]:
        """The next items: at least one, and no more than *max_rows* or, by their last sizes, *max_bytes*; none at the end.

        An error of the source is raised when the items before it have been taken.
        """
        self._began_s = self._clock.monotonic()
        fitting = min(max_bytes, _MAX_BYTES) // self._line_bytes
        stretch = self._items.take(max(1, min(self._next_length, max_rows, fitting)))
        self._length = len(stretch.items)
        return stretch

    def done(self, *, line_bytes: int) -> None:
        """The last stretch is through; its longest request has so many bytes."""
        self._line_bytes = max(1, line_bytes)
        took_s = self._clock.monotonic() - self._began_s
        in_time = int(self._length * _MAX_S / took_s) if took_s > _MAX_S else _MAX_ROWS
        self._next_length = max(1, min(2 * self._length, in_time, _MAX_ROWS))


class IteratedItems:
    """Takes what any iterator yields, and no longer than it comes fast: there may be a slow server behind it."""

    def __init__(self, rows: Iterator[BatchItem[Any]], clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._fault: Exception | None = None

    def take(self, limit: int) -> ItemStretch[Any]:
        if self._fault is not None:
            raise self._fault
        monotonic, items = self._clock.monotonic, list[BatchItem[Any]]()
        deadline = monotonic() + _MAX_S
        try:
            for item in islice(self._rows, limit):
                items.append(item)
                if monotonic() >= deadline:
                    break
        except Exception as error:
            if not items:
                raise
            self._fault = error
        return ItemStretch(items)
