"""Lines of an output file: many are read together, and each says what it says alone."""

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from batchor_core.application import output_lines
from batchor_core.application.output_lines import LineReader, Window, in_full
from batchor_core.domain.output_line import LineOutcome, OutputLine, TokenUsage, UsualLine

USUAL = [b'{"custom_id":"tag-%d","text":"Lima"}\n' % index for index in range(300)]
OTHERS = [
    b"\n",
    b'{"custom_id":"tag-7","outcome":"refused"}\n',
    b'{"custom_id":"other-7","text":"Lima"}\n',
    b'{"custom_id":"tag-","text":"Lima"}\n',
    b'{"custom_id":"tag-1_0","text":"Lima"}\n',
    '{"custom_id":"tag-\u0663","text":"Lima"}\n'.encode(),
    b'{"custom_id":"tag-9999999999999999999","text":"Lima"}\n',
    b'{"custom_id":null,"outcome":"refused"}\n',
    b"no JSON\n",
    b'{"custom_id":"tag-8","text":"Cuzco"}',
]


class Codec:
    """Reads the lines above."""

    def decode(self, line: bytes) -> OutputLine:
        try:
            said = json.loads(line)
        except ValueError:
            return OutputLine(None, LineOutcome.UNREADABLE, message="no JSON")
        outcome = LineOutcome(said.get("outcome", "answered"))
        return OutputLine(said["custom_id"], outcome, said.get("text"), "stop", TokenUsage(1, 2, 3, 4), None, None, 200)

    def decode_usual(self, line: bytes) -> UsualLine | None:
        said = self.decode(line)
        if said.outcome is not LineOutcome.ANSWERED or said.custom_id is None or said.text is None:
            return None
        return said.custom_id, said.text, said.finish_reason, 1, 2, 3, 4

    def encode(self, custom_id: str, prompt: object) -> bytes:
        raise NotImplementedError

    def encode_many(self, id_head: str, first: int, prompts: object) -> list[bytes]:
        raise NotImplementedError


class City:
    """A model that knows one answer."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def model_validate_json(cls, text: str) -> "City":
        if text != '"Lima"':
            raise ValueError("it is not Lima")
        return cls()


def windows(lines: Iterable[bytes], *, model: Any = None) -> list[Window]:
    reader, content = LineReader("tag", Codec(), model), io.BytesIO(b"".join(lines))
    found, start = list[Window](), 0
    while (window := reader.window(content, start=start)) is not None:
        found.append(window)
        start = window.end
    assert start == len(content.getvalue())
    return found


def said(found: list[Window]) -> tuple[list[Any], int]:
    """What all windows hold, and how many lines were of no item of the run."""
    return [in_full(line) for window in found for line in window.lines], sum(window.foreign for window in found)


def test_lines_of_all_kinds_stand_where_they_were_read() -> None:
    lines = [*USUAL, *OTHERS]
    content = b"".join(lines)
    placed, foreign = said(windows(lines))
    assert [index for index, *_ in placed] == [*range(300), 7, 8]
    assert foreign == 7
    for index, offset, length, line in placed:
        raw = content[offset : offset + length]
        assert raw in lines
        assert line.custom_id in {"", f"tag-{index}"}
        assert (line.outcome, line.text) == (Codec().decode(raw).outcome, Codec().decode(raw).text)


@pytest.mark.parametrize("size", [1, 2, 7, 299])
def test_windows_of_any_size_say_the_same(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    lines = [*OTHERS[:-1], *USUAL, *OTHERS]
    whole = said(windows(lines))
    monkeypatch.setattr(output_lines, "WINDOW_LINES", size)
    small = windows(lines)
    assert max(len(window.lines) for window in small) == size
    assert said(small) == whole


def test_a_text_that_does_not_fit_the_model_keeps_its_neighbours_as_they_are() -> None:
    lines = [b'{"custom_id":"tag-%d","text":"\\"%s\\""}\n' % (n, b"Lima" if n != 40 else b"Cuzco") for n in range(100)]
    placed, _ = said(windows(lines, model=City))
    assert [index for index, *_, line in placed if line.outcome is LineOutcome.INVALID_OUTPUT] == [40]
    assert sum(line.outcome is LineOutcome.ANSWERED for *_, line in placed) == 99


def test_a_line_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_lines, "MAX_LINE_BYTES", 60)
    long = [b'{"custom_id":"tag-%d","text":"%s"}\n' % (n, b"x" * 100_000) for n in (500, 501)]
    placed, foreign = said(windows([*USUAL[:50], long[0], *USUAL[50:], long[1]]))
    assert [index for index, *_ in placed] == list(range(300))
    assert foreign >= 2
