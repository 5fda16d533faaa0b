"""Lines of an output artifact, read in windows of bounded size and decoded."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from batchor_core.domain.job import OutputModel
from batchor_core.domain.results import LineOutcome, OutputLine, TokenUsage
from batchor_core.ports.provider import RequestCodec

MAX_LINE_BYTES = 32 << 20
"""A longer line is skipped; its request counts as not run."""
WINDOW_LINES = 10_000
"""Fewer cost more of the database, for the rows of a batch come in no order; more cost the garbage collector more."""
WINDOW_BYTES = 64 << 20
MAX_REASON_CHARACTERS = 1_000


_MAY_BE_ACCEPTED = frozenset({LineOutcome.ANSWERED, LineOutcome.REFUSED, LineOutcome.TRUNCATED, LineOutcome.EMPTY})


type Answer = tuple[str | None, str | None, int, int, int, int]
"""A usual answer as its result holds it: text, finish reason, input, output, cached and reasoning tokens."""

type PlacedLine = tuple[int, int, int, Answer | OutputLine]
"""A line of one of the run's items: the item's index, byte offset, length, and what it says.

Plain tuples of plain values: unlike objects, the garbage collector looks at them once only.
"""


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
        self._check = None if model is None else _checker(model)

    def window(self, content: BinaryIO, *, start: int) -> Window | None:
        """The next lines from byte *start* on; None when there are no more."""
        content.seek(start)
        window = Window(end=start)
        while len(window.lines) < WINDOW_LINES and window.end - start < WINDOW_BYTES:
            line = content.readline(MAX_LINE_BYTES)
            if not line:
                break
            if not line.isspace():
                self._add(window, line)
            window.end += len(line)
        return None if window.end == start else window

    def _add(self, window: Window, raw: bytes) -> None:
        line = self._decode(raw)
        index = self._item_index(line.custom_id)
        if index is None:
            window.foreign += 1
            return
        if self._check is not None and line.outcome in _MAY_BE_ACCEPTED:
            line = self._check(line)
        window.lines.append((index, window.end, len(raw), in_short(line)))

    def _item_index(self, custom_id: str | None) -> int | None:
        if custom_id is None or not custom_id.startswith(self._prefix):
            return None
        digits = custom_id[len(self._prefix) :]
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def in_short(line: OutputLine) -> Answer | OutputLine:
    """What *line* says, in short where it is an answer that can be taken as it is."""
    usage = line.usage
    if line.outcome is not LineOutcome.ANSWERED or not line.fits_model or usage is None:
        return line
    return (
        line.text,
        line.finish_reason,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.reasoning_tokens,
    )


def in_full(answer: Answer) -> OutputLine:
    """What `in_short` has made short."""
    text, finish_reason, *counts = answer
    return OutputLine(None, LineOutcome.ANSWERED, text, finish_reason, TokenUsage(*counts))


def _checker(model: type[OutputModel]) -> Callable[[OutputLine], OutputLine]:
    def check(line: OutputLine) -> OutputLine:
        text = line.text or ""
        try:
            model.model_validate_json(text)
            if "NaN" in text or "Infinity" in text:
                json.loads(text, parse_constant=_refuse_constant)
        except Exception as error:  # noqa: BLE001  whatever a validator of the user's raises is this item's failure
            if line.outcome is not LineOutcome.ANSWERED:
                return replace(line, fits_model=False)
            return replace(line, outcome=LineOutcome.INVALID_OUTPUT, message=_reason(error), fits_model=False)
        return line

    return check


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _reason(error: Exception) -> str:
    """Of bounded length: an answer may have a fault in each of its values."""
    told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return told if len(told) <= MAX_REASON_CHARACTERS else f"{told[: MAX_REASON_CHARACTERS - 3]}..."
