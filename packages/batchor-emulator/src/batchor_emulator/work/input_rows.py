"""The lines of an input file, by position, without holding them."""

from __future__ import annotations

import os
from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson

from batchor_emulator.state.private_files import open_private


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request of a checked input file. *body* is whatever JSON value the line had; *line* counts from 1."""

    custom_id: str
    body: object
    line: int


class InputRows:
    """Random access to the lines of a checked input file.

    *order* is the order of execution: shuffled, and the same in every process, because it follows
    from the batch id.
    """

    def __init__(self, path: Path, batch_id: str) -> None:
        self._path = path
        self._starts = array("Q", _line_starts(path))
        positions = list(range(len(self._starts) - 1))
        Random(batch_id).shuffle(positions)  # noqa: S311 (an order, not a secret)
        self.order = array("L", positions)

    def __len__(self) -> int:
        return len(self.order)

    def read(self, first: int, last: int) -> Iterator[RequestRow]:
        """The requests at places `first..last-1` of the order of execution."""
        with _opened(self._path) as descriptor:
            for position in self.order[first:last]:
                start, end = self._starts[position], self._starts[position + 1]
                line = orjson.loads(os.pread(descriptor, end - start, start))
                yield RequestRow(line["custom_id"], line.get("body"), position + 1)


@contextmanager
def _opened(path: Path) -> Generator[int]:
    # Opened for each slice: hundreds of running batches must not use up the process's descriptors.
    descriptor = open_private(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _line_starts(path: Path) -> Iterator[int]:
    offset = 0
    yield offset
    with path.open("rb") as file:
        for line in file:
            offset += len(line)
            yield offset
