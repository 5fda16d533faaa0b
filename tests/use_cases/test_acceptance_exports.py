"""Appending to a file that a crash left with half a line in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchor_core.domain.job import BatchJob

type MakeJob = Callable[..., BatchJob[Any, None]]


@pytest.mark.parametrize(
    "half", [b'{"item_id": "it', b"x" * 200_000], ids=["short", "longer than what is read at once"]
)
def test_an_append_of_nothing_leaves_whole_lines_alone(world: Any, job: MakeJob, tmp_path: Path, half: bytes) -> None:
    path = tmp_path / "out.jsonl"
    run = world.new_process().run_and_wait(job(4))
    run.export_terminal_results(path)
    whole = path.read_bytes()
    path.write_bytes(whole + half)
    export = run.export_terminal_results(path, after_sequence=4, append=True)
    assert export.exported_count == 0
    assert path.read_bytes() == whole


def test_a_long_half_line_does_not_show_behind_a_short_one(world: Any, job: MakeJob, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    run = world.new_process().run_and_wait(job(4))
    run.export_terminal_results(path)
    whole = path.read_bytes()
    first = whole.splitlines(keepends=True)[0]
    path.write_bytes(first + b"x" * 200_000)
    run.export_terminal_results(path, after_sequence=1, append=True)
    assert path.read_bytes() == whole
