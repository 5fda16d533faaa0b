"""How an object lies in a bucket: parts that its writers wrote, and markers that say whose parts are the object.

```
NAME/_/LETTERS-OFFSET    a part: bytes of the object from OFFSET on, as that writer (eight random characters) wrote them
NAME/_/NUMBER-LETTERS    a marker, empty: from here on, the object is what that writer's parts hold
```

The greatest marker counts; its number is the time in milliseconds, or more. A part is written once, under a name that no other writer uses, and never changed: so
a writer that wakes up late can only add parts to what no longer counts. `_` begins no part of an artifact's name,
so the keys of `a` and `a/b` never meet.
"""

import re
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

ABANDONED_AFTER = timedelta(hours=1)
"""What no writer can finish and no reader should still be reading."""
FOLDER = "_"

_WRITER_LENGTH = 8
_WRITER_CHARACTERS = string.ascii_lowercase + string.digits
_WRITER = rf"[a-z][0-9a-z]{{{_WRITER_LENGTH - 1}}}"
_MARKER = re.compile(rf"(\d{{13,}})-({_WRITER})")
_PART = re.compile(rf"({_WRITER})-(\d{{13,}})")


class StoredKey(NamedTuple):
    """What a listing tells of one key."""

    key: str
    size_bytes: int
    written_at: datetime
    """By the clock of the store, aware."""


class Part(NamedTuple):
    """Bytes of an object from `offset` on."""

    offset: int
    size_bytes: int
    key: str
    written_at: datetime

    @property
    def end(self) -> int:
        return self.offset + self.size_bytes


class Marker(NamedTuple):
    """Ordered as they count: of two writers with one number, the greater letters decide, for every reader alike."""

    number: int
    writer: str
    key: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Layout:
    """All that lies under one name."""

    markers: Sequence[Marker]
    """Ascending; the last one counts."""
    parts: Mapping[str, Sequence[Part]]
    """By writer, ascending."""

    @property
    def current(self) -> Marker | None:
        return self.markers[-1] if self.markers else None

    def next_number(self, now: datetime) -> int:
        """Greater than all that are there, and than that of a request which got no answer and may still arrive."""
        milliseconds = int(now.timestamp() * 1_000)
        return max(milliseconds, self.markers[-1].number + 1) if self.markers else milliseconds

    def content(self) -> Sequence[Part]:
        """The object's parts; none when there is no object."""
        return self.written_by(self.markers[-1].writer) if self.markers else ()

    def written_by(self, writer: str) -> Sequence[Part]:
        """The parts of *writer* from byte 0 on, as far as there is no gap."""
        joined: list[Part] = []
        for part in self.parts.get(writer, ()):
            if part.offset != size_of(joined):
                break
            joined.append(part)
        return joined

    def abandoned(self, now: datetime) -> list[str]:
        """The keys of what was replaced, or left unfinished, more than an hour ago."""
        limit = now - ABANDONED_AFTER
        replaced = [old for old, newer in zip(self.markers, self.markers[1:], strict=False) if newer.written_at < limit]
        marked = {marker.writer for marker in self.markers}
        unfinished = [
            writer
            for writer, parts in self.parts.items()
            if writer not in marked and max(part.written_at for part in parts) < limit
        ]
        writers = [*(marker.writer for marker in replaced), *unfinished]
        parts = [part.key for writer in writers for part in self.parts.get(writer, ())]
        return [*parts, *(marker.key for marker in replaced)]


def layout_of(stored: Iterable[StoredKey]) -> Layout:
    """What the keys of one name mean; keys of any other form are nobody's and ignored."""
    markers: list[Marker] = []
    parts: dict[str, list[Part]] = {}
    for key, size_bytes, written_at in stored:
        tail = key.rpartition("/")[2]
        if found := _MARKER.fullmatch(tail):
            markers.append(Marker(int(found[1]), found[2], key, written_at))
        elif found := _PART.fullmatch(tail):
            parts.setdefault(found[1], []).append(Part(int(found[2]), size_bytes, key, written_at))
    return Layout(sorted(markers), {writer: sorted(written) for writer, written in parts.items()})


def size_of(parts: Sequence[Part]) -> int:
    return parts[-1].end if parts else 0


def new_writer() -> str:
    """Letters that no other writer has: 41 bits by chance, among the few writers of one name."""
    first = secrets.choice(string.ascii_lowercase)
    return first + "".join(secrets.choice(_WRITER_CHARACTERS) for _ in range(_WRITER_LENGTH - 1))


def folder_of(name: str) -> str:
    return f"{name}/{FOLDER}"


def part_key(name: str, *, writer: str, offset: int) -> str:
    return f"{folder_of(name)}/{writer}-{offset:013d}"


def marker_key(name: str, *, number: int, writer: str) -> str:
    return f"{folder_of(name)}/{number:013d}-{writer}"


def marked_name(key: str) -> str | None:
    """The name of the object whose marker *key* is; None for any other key."""
    folder, _, tail = key.rpartition("/")
    name, _, last = folder.rpartition("/")
    return name if name and last == FOLDER and _MARKER.fullmatch(tail) else None
