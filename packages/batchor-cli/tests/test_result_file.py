from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from batchor import ItemStatus, TextItemResult, TokenUsage
from batchor_cli.result_file import write_results


def result(number: int) -> TextItemResult:
    return TextItemResult(
        item_id=f"item-{number}",
        status=ItemStatus.COMPLETED,
        attempt_count=1,
        output_text="an answer",
        error=None,
        metadata={},
        usage=TokenUsage(),
        sequence=number,
    )


class FakeRun:
    """As much of a run as is written; *then* happens behind its last result."""

    is_structured = False

    def __init__(self, count: int, then: Callable[[], None] = lambda: None) -> None:
        self._count = count
        self._then = then

    def iter_results(self, *, typed: bool) -> Iterator[TextItemResult]:
        yield from map(result, range(self._count))
        self._then()


def fail() -> None:
    raise KeyboardInterrupt


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "results.jsonl"
    target.write_text("before")
    interrupted: Any = FakeRun(5_000, fail)
    with pytest.raises(KeyboardInterrupt):
        write_results(interrupted, target)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("results.jsonl", "before")]


def test_a_whole_write_replaces_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "results.jsonl"
    target.write_text("before")
    whole: Any = FakeRun(3)
    assert write_results(whole, target) == 3
    assert target.read_text().count('"item_id"') == 3
    assert list(tmp_path.iterdir()) == [target]


def test_no_result_is_an_empty_file(tmp_path: Path) -> None:
    empty: Any = FakeRun(0)
    assert write_results(empty, tmp_path / "none.jsonl") == 0
    assert (tmp_path / "none.jsonl").read_bytes() == b""
