"""The parts of a compiled schema: each generates one kind of JSON value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import override

from batchor_emulator.answers.draw import Draw

_ROOMY_DEPTH = 4
"""Below this depth, everything takes the shortest way to an end, so that recursion ends."""


class Node(ABC):
    """A part of a schema. `depth` is the least nesting of a document that conforms to it."""

    def __init__(self) -> None:
        self.depth: float = math.inf

    @abstractmethod
    def least_depth(self) -> float:
        """The least nesting, by what is known of the parts so far."""

    @abstractmethod
    def generate(self, draw: Draw, level: int) -> object:
        """A conforming value that stands *level* levels below the root."""


def settle_depths(nodes: Iterable[Node]) -> None:
    """Find the least nesting of all nodes; infinite where a recursion has no end."""
    nodes = tuple(nodes)
    changed = True
    while changed:
        changed = False
        for node in nodes:
            depth = node.least_depth()
            if depth < node.depth:
                node.depth, changed = depth, True


class Constant(Node):
    """One of a few given values."""

    def __init__(self, values: tuple[object, ...]) -> None:
        super().__init__()
        self._values = values

    @override
    def least_depth(self) -> float:
        return 0

    @override
    def generate(self, draw: Draw, level: int) -> object:
        return self._values[draw.below(len(self._values))]


class Number(Node):
    """`step` times a whole number in `first..last`."""

    def __init__(self, step: Fraction, first: int, last: int, *, whole: bool) -> None:
        super().__init__()
        self._step, self._first, self._last, self._whole = step, first, last, whole

    @override
    def least_depth(self) -> float:
        return 0

    @override
    def generate(self, draw: Draw, level: int) -> int | float:
        value = self._step * draw.between(self._first, self._last)
        return int(value) if self._whole else float(value)


class Object(Node):
    """An object with all of its properties."""

    def __init__(self, members: Mapping[str, Node]) -> None:
        super().__init__()
        self._members = dict(members)

    @override
    def least_depth(self) -> float:
        return 1 + max((member.depth for member in self._members.values()), default=0)

    @override
    def generate(self, draw: Draw, level: int) -> dict[str, object]:
        return {name: member.generate(draw, level + 1) for name, member in self._members.items()}


class Array(Node):
    """A list of `least..most` items."""

    def __init__(self, item: Node, least: int, most: int) -> None:
        super().__init__()
        self._item, self._least, self._most = item, least, most

    @override
    def least_depth(self) -> float:
        return 1 if self._least == 0 else 1 + self._item.depth

    @override
    def generate(self, draw: Draw, level: int) -> list[object]:
        has_room = level < _ROOMY_DEPTH and not math.isinf(self._item.depth)
        count = draw.between(self._least, self._most) if has_room else self._least
        return [self._item.generate(draw, level + 1) for _ in range(count)]


class AnyOf(Node):
    """One of several kinds."""

    def __init__(self, branches: tuple[Node, ...]) -> None:
        super().__init__()
        self._branches = branches

    @override
    def least_depth(self) -> float:
        return min(branch.depth for branch in self._branches)

    @override
    def generate(self, draw: Draw, level: int) -> object:
        if level >= _ROOMY_DEPTH:
            branch = min(self._branches, key=lambda candidate: candidate.depth)
        else:
            possible = [candidate for candidate in self._branches if not math.isinf(candidate.depth)]
            branch = possible[draw.below(len(possible))]
        return branch.generate(draw, level)


class Reference(Node):
    """Stands for a node that is known later."""

    target: Node

    @override
    def least_depth(self) -> float:
        return self.target.depth

    @override
    def generate(self, draw: Draw, level: int) -> object:
        return self.target.generate(draw, level)
