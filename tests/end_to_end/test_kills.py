"""SIGKILL at each stage of a real run: real processes, SQLite, the real SDK over a real socket."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from batchor_core import BatchRunner, RunLifecycleStatus
from batchor_emulator import EmulatorProcess
from batchor_sqlite import SQLiteStorage

ROWS = 2_500
WORKER = Path(__file__).with_name("process_under_test.py")

PLACES = [
    "ingest.sync_segment.after:2",
    "ingest.commit.before:2",
    "ingest.commit.after:3",
    "submit.claim.after:1",
    "submit.upload.before:1",
    "submit.upload.after:2",
    "submit.record_send.after:1",
    "submit.create.after:1",
    "submit.record_batch.after:1",
    "poll.get.after:2",
    "poll.record.after:3",
    "collect.download.after:1",
    "collect.record_download.after:1",
    "collect.apply.before:1",
    "collect.apply.after:2",
    "collect.finish.before:2",
    "state.commit.before:12",
    "state.commit.after:12",
]


@pytest.fixture(scope="module")
def input_path(first_rows: Callable[[int], Path]) -> Path:
    return first_rows(ROWS)


def run_process(folder: Path, input_path: Path, emulator: EmulatorProcess, *, failpoint: str | None = None) -> int:
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "BATCHOR_FAILPOINT"}
    if failpoint is not None:
        environment["BATCHOR_FAILPOINT"] = f"{failpoint}:kill"
    command = [sys.executable, str(WORKER), str(folder), str(input_path), emulator.base_url]
    return subprocess.run(command, env=environment, check=False, timeout=120).returncode


def read_results(folder: Path) -> dict[str, tuple[str | None, int]]:
    """What a process that has neither the job nor a key reads: each item's text and attempts."""
    with BatchRunner(SQLiteStorage(path=folder / "state.sqlite3")) as runner:
        run = runner.get_run("killed")
        assert run.status is RunLifecycleStatus.COMPLETED
        return {result.item_id: (result.output_text, result.attempt_count) for result in run.results()}


def tag_of(folder: Path) -> str:
    """The run's tag, which names its artifact folder and begins its custom_ids."""
    (artifacts,) = (folder / "state_artifacts").iterdir()
    return artifacts.name


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, input_path: Path, emulator: EmulatorProcess
) -> dict[str, tuple[str | None, int]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_process(folder, input_path, emulator) == 0
    return read_results(folder)


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_is_finished_by_a_fresh_process_as_if_nothing_had_happened(
    place: str,
    tmp_path: Path,
    input_path: Path,
    emulator: EmulatorProcess,
    undisturbed: dict[str, tuple[str | None, int]],
) -> None:
    assert run_process(tmp_path, input_path, emulator, failpoint=place) == -signal.SIGKILL
    assert run_process(tmp_path, input_path, emulator) == 0
    assert read_results(tmp_path) == undisturbed
    tag = tag_of(tmp_path)
    executed = Counter(entry.custom_id for entry in emulator.ledger() if entry.custom_id.startswith(f"{tag}-"))
    assert executed == {f"{tag}-{index}": 1 for index in range(ROWS)}
