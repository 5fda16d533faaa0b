"""Generates strings for simple regular expressions.

Read are: literals, `.`, classes such as `[a-z0-9_]` and `[^,]`, the escapes `d w s` and their
opposites, groups, alternatives, the anchors at both ends, and the quantifiers `? * + {m} {m,n}`.
Anything else (look-around, back-references) raises `ValueError`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable

from batchor_emulator.answers.draw import Draw

type Writer = Callable[[Draw], str]

_PRINTABLE = frozenset(string.ascii_letters + string.digits + " _-.,:;!@#%&/")
_CLASSES = {
    "d": frozenset(string.digits),
    "w": frozenset(string.ascii_letters + string.digits + "_"),
    "s": frozenset(" "),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_QUANTIFIER = re.compile(r"\{(\d+)(,(\d*))?\}")
_MAX_EXTRA = 4
_MAX_REPEATS = 1_000


class Pattern:
    """A regular expression that was read once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._write = self._alternatives()
        if self._at != len(source):
            raise ValueError(f"unexpected {source[self._at]!r}")

    def text(self, draw: Draw) -> str:
        """A string that should match."""
        return self._write(draw)

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise ValueError("it ends too early")
        self._at += 1
        return character

    def _alternatives(self) -> Writer:
        branches = [self._sequence()]
        while self._peek() == "|":
            self._take()
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        return lambda draw: branches[draw.below(len(branches))](draw)

    def _sequence(self) -> Writer:
        parts: list[Writer] = []
        while self._peek() not in ("", "|", ")"):
            if self._peek() in "^$":
                self._take()
                continue
            parts.append(self._quantified(self._atom()))
        return lambda draw: "".join([part(draw) for part in parts])

    def _atom(self) -> Writer:
        match character := self._take():
            case "(":
                return self._group()
            case "[":
                return _one_of(self._character_class())
            case ".":
                return _one_of(_PRINTABLE)
            case "\\":
                return _one_of(self._escape())
            case "*" | "+" | "?":
                raise ValueError(f"nothing to repeat before {character!r}")
            case _:
                return lambda _draw: character

    def _group(self) -> Writer:
        if self._peek() == "?":
            if not self._source.startswith("?:", self._at):
                raise ValueError("look-around and named groups are not read")
            self._at += 2
        inner = self._alternatives()
        if self._take() != ")":
            raise ValueError("a group does not end")
        return inner

    def _escape(self) -> frozenset[str]:
        character = self._take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.lower() in _CLASSES:
            return _PRINTABLE - _CLASSES[character.lower()]
        if character in _CONTROLS:
            return frozenset(_CONTROLS[character])
        if character.isalnum():
            raise ValueError(f"the escape \\{character} is not read")
        return frozenset(character)

    def _character_class(self) -> frozenset[str]:
        negated = self._peek() == "^"
        if negated:
            self._take()
        members: set[str] = set()
        while self._peek() != "]" or not members:
            members |= self._class_member()
        self._take()
        return _PRINTABLE - members if negated else frozenset(members)

    def _class_member(self) -> frozenset[str]:
        first = self._take()
        if first == "\\":
            return self._escape()
        if self._peek() != "-" or self._source[self._at + 1 : self._at + 2] in ("", "]"):
            return frozenset(first)
        self._take()
        last = self._take()
        if last == "\\":
            (last,) = self._escape()
        return frozenset(map(chr, range(ord(first), ord(last) + 1)))

    def _quantified(self, atom: Writer) -> Writer:
        bounds = self._bounds()
        if bounds is None:
            return atom
        least, most = bounds
        if self._peek() in ("?", "+"):
            self._take()
        if least > _MAX_REPEATS or most < least:
            raise ValueError("too many repeats")
        return lambda draw: "".join([atom(draw) for _ in range(draw.between(least, most))])

    def _bounds(self) -> tuple[int, int] | None:
        if found := _QUANTIFIER.match(self._source, self._at):
            self._at = found.end()
            least = int(found[1])
            if found[2] is None:
                return least, least
            return least, min(int(found[3]), least + _MAX_EXTRA) if found[3] else least + _MAX_EXTRA
        simple = {"?": (0, 1), "*": (0, _MAX_EXTRA), "+": (1, 1 + _MAX_EXTRA)}.get(self._peek())
        if simple is not None:
            self._take()
        return simple


def _one_of(characters: frozenset[str]) -> Writer:
    if not characters:
        raise ValueError("a class without characters")
    choices = sorted(characters)
    return lambda draw: choices[draw.below(len(choices))]
