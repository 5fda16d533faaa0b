"""Files of results: whole or as they were."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from batchor import TextItemResult
from batchor_cli.result_export import ResultExport, Style
from batchor_cli.result_options import ResultFormat, Selection
from batchor_cli.result_shape import ResultShape
from batchor_core.domain.results import ResultRow, StoredResult


def result(number: int) -> StoredResult:
    row = ResultRow(number, number, 1, None, None, 0, 0, "an answer", "[0,0,0,0,null]", None)
    return StoredResult.of(f"item-{number}", None, row)


class FakeReader:
    """As much of a reader as is used; its last result may be the last thing before an interruption."""

    def __init__(self, count: int, *, interrupted: bool = False) -> None:
        self._count = count
        self._interrupted = interrupted

    def pages_in_input_order(self) -> Iterator[Sequence[StoredResult]]:
        yield list(map(result, range(self._count)))
        if self._interrupted:
            raise KeyboardInterrupt

    def built(self, page: Sequence[StoredResult]) -> list[TextItemResult]:
        return list(TextItemResult.of_stored(page, self))

    def metadata(self, stored: StoredResult) -> str | None:
        return stored.metadata

    def raw_line(self, stored: StoredResult) -> None:
        return None


def export(reader: Any, result_format: ResultFormat = ResultFormat.JSONL) -> ResultExport:
    run: Any = None
    return ResultExport(run, reader, ResultShape(None), Style(result_format))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    path.write_text("before")
    return path


@pytest.mark.parametrize("result_format", [ResultFormat.JSONL, ResultFormat.CSV])
def test_an_interrupted_write_leaves_the_old_file_and_no_other(target: Path, result_format: ResultFormat) -> None:
    with pytest.raises(KeyboardInterrupt):
        export(FakeReader(5_000, interrupted=True), result_format).write(target, Selection())
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("results.jsonl", "before")]


def test_a_whole_write_replaces_the_old_file(target: Path) -> None:
    assert export(FakeReader(3)).write(target, Selection()).count == 3
    assert target.read_text().count('"item_id"') == 3
    assert list(target.parent.iterdir()) == [target]


def test_no_result_is_an_empty_file(target: Path) -> None:
    assert export(FakeReader(0)).write(target, Selection()).count == 0
    assert target.read_bytes() == b""
