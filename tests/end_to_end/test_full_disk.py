"""No space left while a run goes on: an error that says so, and a run that goes on once there is space again."""

import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from batchor_core import BatchRunner
from batchor_emulator import EmulatorProcess
from batchor_sqlite import SQLiteStorage

ROWS = 2_500
WORKER = Path(__file__).with_name("process_under_test.py")


@pytest.fixture(scope="module")
def input_path(first_rows: Callable[[int], Path]) -> Path:
    return first_rows(ROWS)


def run_process(
    folder: Path, input_path: Path, emulator: EmulatorProcess, *, max_file_bytes: int = resource.RLIM_INFINITY
) -> subprocess.CompletedProcess[str]:
    """The worker, in which no file can grow beyond *max_file_bytes*: what a full disk or a quota does."""
    return subprocess.run(
        [sys.executable, str(WORKER), str(folder), str(input_path), emulator.base_url],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("max_file_bytes", [150_000, 300_000, 500_000, 900_000])
def test_a_run_goes_on_after_the_disk_was_full(
    max_file_bytes: int, tmp_path: Path, input_path: Path, emulator: EmulatorProcess
) -> None:
    stopped = run_process(tmp_path, input_path, emulator, max_file_bytes=max_file_bytes)
    assert stopped.returncode == 1
    assert "batchor_core.errors.ArtifactError" in stopped.stderr or "batchor_core.errors.StorageError" in stopped.stderr
    finished = run_process(tmp_path, input_path, emulator)
    assert finished.returncode == 0, finished.stderr
    with BatchRunner(SQLiteStorage(path=tmp_path / "state.sqlite3")) as runner:
        run = runner.get_run("killed")
        assert run.audit(ask_provider=False).is_clean
        assert len(run.results()) == ROWS
    (artifacts,) = (tmp_path / "state_artifacts").iterdir()
    executed = Counter(
        entry.custom_id for entry in emulator.ledger() if entry.custom_id.startswith(f"{artifacts.name}-")
    )
    assert executed == {f"{artifacts.name}-{index}": 1 for index in range(ROWS)}
