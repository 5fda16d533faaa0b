from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import EmulatorProcess, EmulatorStartError, read_ledger

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Lines = Callable[..., list[dict[str, Any]]]


def _client(process: EmulatorProcess) -> OpenAI:
    return OpenAI(base_url=process.base_url, api_key="test", max_retries=0)


def test_a_batch_that_is_killed_again_and_again_runs_each_request_once(
    private_dir: Path, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    timing = ["--validation-s=0.05", "--run-s=0", "--row-s=0.0003", "--finalizing-s=0.05"]
    with EmulatorProcess(state_dir=private_dir, arguments=timing) as process, _client(process) as openai:
        rows = [row(number) if number % 10 else row(number, input="") for number in range(3_000)]
        batch = start(openai, rows)
        for pause_s in (0.03, 0.15, 0.2, 0.2, 0.3, 0.25):
            time.sleep(pause_s)
            process.kill()
            process.restart()
        done = wait(openai, batch)
        ledger = Counter(entry.custom_id for entry in process.ledger())
        assert ledger == {str(number): 1 for number in range(3_000)}
        written = lines(openai, done.output_file_id) + lines(openai, done.error_file_id)
        assert Counter(line["custom_id"] for line in written) == ledger
        assert done.request_counts is not None
        assert (done.request_counts.completed, done.request_counts.failed) == (2_700, 300)
        assert not process.log_text()


def test_a_torn_line_of_the_journal_is_executed_again(private_dir: Path, row: Row, start: Start, wait: Start) -> None:
    with (
        EmulatorProcess(state_dir=private_dir, arguments=["--row-s=0.02"]) as process,
        _client(process) as openai,
    ):
        batch = wait(openai, start(openai, [row(number) for number in range(50)]), "in_progress")
        journal = private_dir / "batches" / f"{batch.id}.journal"
        while not journal.exists() or not journal.stat().st_size:
            time.sleep(0.005)
        process.kill()
        whole = journal.read_bytes()
        journal.write_bytes(whole[: len(whole) - 40])
        assert len(list(read_ledger(private_dir))) == whole.count(b"\n") - 1
        process.restart()
        assert wait(openai, batch).status == "completed"
        assert Counter(entry.custom_id for entry in process.ledger()) == {str(number): 1 for number in range(50)}


def test_everything_is_there_after_a_restart(
    private_dir: Path, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    with EmulatorProcess(state_dir=private_dir) as process, _client(process) as openai:
        completed = wait(openai, start(openai, [row(1)], metadata={"a": "b"}))
        failed = wait(openai, start(openai, b"x"))
        files = openai.files.list().data
        port = process.port
        process.kill()
        process.restart()
        assert process.port == port
        assert openai.batches.retrieve(completed.id) == completed
        assert openai.batches.retrieve(failed.id) == failed
        assert openai.files.list().data == files
        assert len(lines(openai, completed.output_file_id)) == 1


def test_a_cancelling_batch_is_cancelled_after_a_restart(
    private_dir: Path, row: Row, start: Start, wait: Start
) -> None:
    arguments = ["--row-s=0.02", "--cancelling-s=0.4"]
    with EmulatorProcess(state_dir=private_dir, arguments=arguments) as process, _client(process) as openai:
        batch = wait(openai, start(openai, [row(number) for number in range(100)]), "in_progress")
        openai.batches.cancel(batch.id)
        process.kill()
        process.restart()
        assert wait(openai, batch).status == "cancelled"


def test_a_finished_batch_leaves_its_record_and_ledger_only(
    private_dir: Path, row: Row, start: Start, wait: Start
) -> None:
    with EmulatorProcess(state_dir=private_dir) as process, _client(process) as openai:
        batch = wait(openai, start(openai, [row(1)]))
        wait(openai, start(openai, b"x"))
    names = sorted(path.name for path in (private_dir / "batches").iterdir())
    assert [name for name in names if name.startswith(batch.id)] == [f"{batch.id}.json", f"{batch.id}.ledger"]
    assert len(names) == 3
    (entry,) = (private_dir / "batches" / f"{batch.id}.ledger").read_text().splitlines()
    assert json.loads(entry)["custom_id"] == "1"


def test_a_state_folder_serves_one_emulator_at_a_time(private_dir: Path) -> None:
    with EmulatorProcess(state_dir=private_dir), pytest.raises(EmulatorStartError, match="another emulator uses"):
        EmulatorProcess(state_dir=private_dir).start()
