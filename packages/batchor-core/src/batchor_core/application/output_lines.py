"""Lines of an output artifact, read in windows of bounded size and decoded."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from batchor_core.application.output_model import parser_of
from batchor_core.domain.job import OutputModel
from batchor_core.domain.output_line import LineOutcome, OutputLine, UsualLine
from batchor_core.ports.provider import RequestCodec

MAX_LINE_BYTES = 32 << 20
"""A longer line is skipped; its request counts as not run."""
WINDOW_LINES = 10_000
"""Fewer cost more of the database, for the rows of a batch come in no order; more cost the garbage collector more."""
WINDOW_BYTES = 64 << 20
MAX_REASON_CHARACTERS = 1_000


_MAY_BE_ACCEPTED = frozenset({LineOutcome.ANSWERED, LineOutcome.REFUSED, LineOutcome.TRUNCATED, LineOutcome.EMPTY})


type UsualAnswer = tuple[int, int, int, str, str | None, int, int, int, int]
"""A usual line of one of the run's items: the item's index, byte offset, length; then text, finish reason and tokens, as
in a `ResultRow`.

A plain tuple of plain values: unlike an object, the garbage collector looks at it once only.
"""

type OtherLine = tuple[int, int, int, OutputLine]
"""Any line of one of the run's items: the item's index, byte offset, length, and what it says."""

type PlacedLine = UsualAnswer | OtherLine


def in_full(placed: PlacedLine) -> OtherLine:
    """The line with all that it says in one object."""
    if len(placed) == 4:  # the length of an `OtherLine`, by which type checkers tell the two apart
        return placed
    return *placed[:3], UsualLine("", *placed[3:]).in_full()


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
        content.seek(start)
        window, end = Window(end=start), start
        # Looked up once, and not for each line.
        lines, readline, decode_usual = window.lines, content.readline, self._decode_usual
        while len(lines) < WINDOW_LINES and end - start < WINDOW_BYTES and (raw := readline(MAX_LINE_BYTES)):
            usual = decode_usual(raw)
            index = None if usual is None else self._item_index(usual.custom_id)
            if usual is None or index is None or self._is_misfit(usual):
                self._add(window, raw, offset=end)
            else:
                lines.append((index, end, len(raw), *usual[1:]))
            end += len(raw)
        window.end = end
        return None if end == start else window

    def _add(self, window: Window, raw: bytes, *, offset: int) -> None:
        """Any line, whatever it says."""
        if raw.isspace():
            return
        line = self._decode(raw)
        index = self._item_index(line.custom_id)
        if index is None:
            window.foreign += 1
        else:
            window.lines.append((index, offset, len(raw), self._checked(line)))

    def _is_misfit(self, usual: UsualLine) -> bool:
        return self._fault_in is not None and self._fault_in(usual.text) is not None

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

    def _item_index(self, custom_id: str | None) -> int | None:
        if custom_id is None or not custom_id.startswith(self._prefix):
            return None
        digits = custom_id[len(self._prefix) :]
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


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
