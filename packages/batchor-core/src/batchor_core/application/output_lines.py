"""Lines of an output artifact, read in windows of bounded size and decoded."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import BinaryIO

from batchor_core.application.output_model import parser_of
from batchor_core.domain.job import OutputModel
from batchor_core.domain.output_line import LineOutcome, OutputLine, usual_in_full
from batchor_core.line_blocks import next_lines
from batchor_core.ports.provider import RequestCodec

MAX_LINE_BYTES = 32 << 20
"""A longer line is skipped; its request counts as not run."""
WINDOW_LINES = 10_000
"""Fewer cost more of the database, for the rows of a batch come in no order; more cost the garbage collector more."""
WINDOW_BYTES = 64 << 20
MAX_REASON_CHARACTERS = 1_000
_LENGTHS_OF_INDEXES = frozenset(range(1, 19))
"""In digits; every number of 18 fits a database."""


_MAY_BE_ACCEPTED = frozenset({LineOutcome.ANSWERED, LineOutcome.REFUSED, LineOutcome.TRUNCATED, LineOutcome.EMPTY})


type UsualAnswer = tuple[int, int, int, str, str | None, int, int, int, int]
"""A usual line of one of the run's items: the item's index, byte offset, length; then what a `UsualLine` says behind its
custom_id.

A plain tuple of plain values: unlike an object, the garbage collector looks at it once only.
"""

type OtherLine = tuple[int, int, int, OutputLine]
"""Any line of one of the run's items: the item's index, byte offset, length, and what it says."""

type PlacedLine = UsualAnswer | OtherLine


def in_full(placed: PlacedLine) -> OtherLine:
    """The line with all that it says in one object."""
    if len(placed) == 4:  # the length of an `OtherLine`, by which type checkers tell the two apart
        return placed
    return *placed[:3], usual_in_full(("", *placed[3:]))


@dataclass(slots=True)
class Window:
    """Consecutive lines of an artifact, up to byte `end`."""

    end: int
    lines: list[PlacedLine] = field(default_factory=list)
    foreign: int = 0
    """Lines that name no item of this run."""


class LineReader:
    """Decodes the output lines of one run, checking structured answers against the model."""

    def __init__(self, tag: str, codec: RequestCodec, model: type[OutputModel] | None) -> None:
        self._prefix = f"{tag}-"
        self._decode = codec.decode
        self._decode_usual = codec.decode_usual
        self._fault_in = None if model is None else _checker(model)

    def window(self, content: BinaryIO, *, start: int) -> Window | None:
        """The next lines from byte *start* on; None when there are no more."""
        window = Window(end=start)
        while (room := WINDOW_LINES - len(window.lines)) > 0 and window.end - start < WINDOW_BYTES:
            content.seek(window.end)
            raws = next_lines(content, max_line_bytes=MAX_LINE_BYTES)[:room]
            if not raws:
                break
            self._add(window, raws)
        return None if window.end == start else window

    def _add(self, window: Window, raws: Sequence[bytes]) -> None:
        usuals = list(map(self._decode_usual, raws))
        if self._fault_in is not None:
            usuals = [usual if usual is None or self._fault_in(usual[1]) is None else None for usual in usuals]
        lengths = list(map(len, raws))
        offsets = accumulate(lengths, initial=window.end)
        window.end += sum(lengths)
        if None not in usuals and max(lengths) <= MAX_LINE_BYTES:
            custom_ids, *said = zip(*usuals, strict=True)
            if (indexes := self._item_indexes(custom_ids)) is not None:
                # By columns, as nearly all lines can be; one by one they would cost three times as much.
                window.lines += zip(indexes, offsets, lengths, *said, strict=False)
                return
        for raw, usual, offset in zip(raws, usuals, offsets, strict=False):
            if len(raw) > MAX_LINE_BYTES:
                window.foreign += 1
            elif usual is None:
                self._add_other(window, raw, offset=offset)
            elif (index := self._item_index(usual[0])) is None:
                window.foreign += 1
            else:
                window.lines.append((index, offset, len(raw), *usual[1:]))

    def _add_other(self, window: Window, raw: bytes, *, offset: int) -> None:
        """Any line, whatever it says."""
        if raw.isspace():
            return
        line = self._decode(raw)
        index = None if line.custom_id is None else self._item_index(line.custom_id)
        if index is None:
            window.foreign += 1
        else:
            window.lines.append((index, offset, len(raw), self._checked(line)))

    def _checked(self, line: OutputLine) -> OutputLine:
        """The line, and whether its text fits the model where one is expected."""
        if self._fault_in is None or line.outcome not in _MAY_BE_ACCEPTED:
            return line
        fault = self._fault_in(line.text or "")
        if fault is None:
            return line
        if line.outcome is not LineOutcome.ANSWERED:
            return replace(line, fits_model=False)
        return replace(line, outcome=LineOutcome.INVALID_OUTPUT, message=fault, fits_model=False)

    def _item_index(self, custom_id: str) -> int | None:
        indexes = self._item_indexes((custom_id,))
        return None if indexes is None else indexes[0]

    def _item_indexes(self, custom_ids: Sequence[str]) -> list[int] | None:
        """The index of the item that each names; None where one names no item of this run."""
        prefix = self._prefix
        digits = [custom_id[len(prefix) :] for custom_id in custom_ids if custom_id.startswith(prefix)]
        text = "".join(digits)
        are_numbers = text.isascii() and text.isdigit() and _LENGTHS_OF_INDEXES.issuperset(map(len, digits))
        return list(map(int, digits)) if len(digits) == len(custom_ids) and are_numbers else None


def _checker(model: type[OutputModel]) -> Callable[[str], str | None]:
    """What says why a text is no instance of *model*; None where it is."""
    parse = parser_of(model)

    def fault_in(text: str) -> str | None:
        try:
            parse(text)
            if "NaN" in text or "Infinity" in text:
                # Exports pass the text on as it is, and these are no JSON.
                json.loads(text, parse_constant=_refuse_constant)
        except Exception as error:  # noqa: BLE001  whatever a validator of the user's raises is this item's failure
            return _reason(error)
        return None

    return fault_in


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _reason(error: Exception) -> str:
    """Of bounded length: an answer may have a fault in each of its values."""
    told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return told if len(told) <= MAX_REASON_CHARACTERS else f"{told[: MAX_REASON_CHARACTERS - 3]}..."
