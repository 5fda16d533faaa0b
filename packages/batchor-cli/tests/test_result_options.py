"""Which results are written, and how, by the options that were given."""

from pathlib import Path
from typing import Any

import pytest

from batchor_cli.result_options import (
    STDOUT,
    FormatOptions,
    ResultFormat,
    ResultOrder,
    Selection,
    SelectionOptions,
)
from batchor_core.errors import ConfigurationError

JSONL, CSV, PARQUET = ResultFormat.JSONL, ResultFormat.CSV, ResultFormat.PARQUET


@pytest.mark.parametrize(
    ("output", "given", "chosen"),
    [
        ("-", None, JSONL),
        ("out", None, JSONL),
        ("out.csv", None, CSV),
        ("out.PARQUET", None, PARQUET),
        ("out.csv", JSONL, JSONL),
        ("-", CSV, CSV),
    ],
)
def test_the_format_is_the_one_given_else_that_of_the_ending(
    output: str, given: ResultFormat | None, chosen: ResultFormat
) -> None:
    assert FormatOptions(format=given).format_for(Path(output)) is chosen


def test_results_come_in_input_order_unless_they_are_read_by_sequence() -> None:
    assert SelectionOptions().selection(JSONL, STDOUT) == Selection(ResultOrder.INPUT)
    assert SelectionOptions(after=0).selection(CSV, STDOUT) == Selection(ResultOrder.COMPLETION)
    assert SelectionOptions(limit=5).selection(JSONL, STDOUT) == Selection(ResultOrder.COMPLETION, limit=5)
    assert SelectionOptions(follow=True).selection(JSONL, STDOUT) == Selection(ResultOrder.COMPLETION)


@pytest.mark.parametrize(
    ("options", "result_format", "output", "says"),
    [
        ({"order": ResultOrder.INPUT, "after": 1}, JSONL, "x", "are for --order completion"),
        ({"follow": True}, CSV, "-", "write JSON Lines"),
        ({"append": True}, PARQUET, "x", "write JSON Lines"),
        ({"limit": 1}, PARQUET, "x", "a Parquet file holds all results"),
        ({"append": True}, JSONL, "-", "need a file"),
        ({}, PARQUET, "-", "need a file"),
    ],
)
def test_what_cannot_be_written_so_is_refused(
    options: dict[str, Any], result_format: ResultFormat, output: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        SelectionOptions(**options).selection(result_format, Path(output))
