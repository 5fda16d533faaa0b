"""Lines of an output artifact, read in windows of bounded size and decoded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NamedTuple

from batchor_core.domain.job import OutputModel
from batchor_core.domain.results import LineOutcome, OutputLine
from batchor_core.ports.provider import RequestCodec

MAX_LINE_BYTES = 32 << 20
"""A longer line is skipped; its request counts as not run."""
WINDOW_LINES = 50_000
WINDOW_BYTES = 64 << 20


_MAY_BE_ACCEPTED = frozenset({LineOutcome.ANSWERED, LineOutcome.REFUSED, LineOutcome.TRUNCATED, LineOutcome.EMPTY})


class PlacedLine(NamedTuple):
    """A decoded line of one of the run's items, and the byte range at which it lies."""

    item_index: int
    offset: int
    length: int
    line: OutputLine


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

    def windows(self, content: BinaryIO, *, start: int) -> Iterator[Window]:
        """The lines from byte *start* on, in windows; none when there are no more."""
        content.seek(start)
        position = start
        while True:
            window = Window(end=position)
            while len(window.lines) < WINDOW_LINES and window.end - position < WINDOW_BYTES:
                line = content.readline(MAX_LINE_BYTES)
                if not line:
                    break
                self._add(window, line)
                window.end += len(line)
            if window.end == position:
                return
            position = window.end
            yield window

    def _add(self, window: Window, raw: bytes) -> None:
        if raw.isspace():
            return
        line = self._decode(raw)
        index = self._item_index(line.custom_id)
        if index is None:
            window.foreign += 1
            return
        if self._check is not None and line.outcome in _MAY_BE_ACCEPTED:
            line = self._check(line)
        window.lines.append(PlacedLine(index, window.end, len(raw), line))

    def _item_index(self, custom_id: str | None) -> int | None:
        if custom_id is None or not custom_id.startswith(self._prefix):
            return None
        digits = custom_id[len(self._prefix) :]
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _checker(model: type[OutputModel]) -> Callable[[OutputLine], OutputLine]:
    def check(line: OutputLine) -> OutputLine:
        try:
            model.model_validate_json(line.text or "")
        except (ValueError, RecursionError) as error:
            if line.outcome is not LineOutcome.ANSWERED:
                return replace(line, fits_model=False)
            return replace(line, outcome=LineOutcome.INVALID_OUTPUT, message=str(error), fits_model=False)
        return line

    return check
