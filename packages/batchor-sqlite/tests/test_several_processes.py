import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from batchor_core.domain.item import StatusCounts
from batchor_core.domain.results import StoredResult
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID, released
from batchor_testkit.state_steps import begin_run, claim, start_run

_HERE = Path(__file__).parent
_PROCESSES = 4
_BATCHES = 60


def _start(script: str, *arguments: str, failpoint: str | None = None) -> subprocess.Popen[str]:
    environment = os.environ if failpoint is None else os.environ | {"BATCHOR_FAILPOINT": failpoint}
    return subprocess.Popen(
        [sys.executable, str(_HERE / script), *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )


def _claim_batches(storage: SQLiteStorage, *, batches: int, size: int) -> None:
    start_run(storage, items=batches * size)
    with storage.transaction() as unit:
        for number in range(batches):
            unit.batches.save(released(claim(unit, fresh=size, batch_key=f"key-{number}")))


def test_four_processes_settle_all_batches_of_a_run_without_a_double(tmp_path: Path) -> None:
    storage = SQLiteStorage(path=tmp_path / "state.sqlite3")
    _claim_batches(storage, batches=_BATCHES, size=5)
    workers = [_start("settle_batches.py", str(storage.path), f"worker-{number}") for number in range(_PROCESSES)]
    outputs = [worker.communicate()[0] for worker in workers]
    with storage.reading() as unit:
        run = unit.runs.get(RUN_ID)
        results = [StoredResult(*fields) for fields in unit.results.by_sequence(RUN_ID, after=0, limit=10_000)]
        recount = unit.items.recount(RUN_ID)
        fences = Counter(unit.batches.get(number + 1).lease.fence for number in range(_BATCHES))
    storage.close()
    assert [worker.returncode for worker in workers] == [0] * _PROCESSES
    assert sum(map(int, outputs)) == _BATCHES
    assert fences == {2: _BATCHES}  # taken once by the claim and once by a worker
    assert [result.sequence for result in results] == list(range(1, 5 * _BATCHES + 1))
    assert run.counts == recount == StatusCounts(completed=5 * _BATCHES)


def test_four_processes_may_create_one_database_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.sqlite3"
    code = (
        "import sys; from batchor_sqlite import SQLiteStorage; from batchor_testkit.state_steps import start_run; "
        "start_run(SQLiteStorage(path=sys.argv[1]), items=3, run_id=sys.argv[2])"
    )
    run_ids = {f"run-{number}" for number in range(_PROCESSES)}
    starters = [subprocess.Popen([sys.executable, "-c", code, str(path), run_id]) for run_id in run_ids]
    assert [starter.wait() for starter in starters] == [0] * _PROCESSES
    storage = SQLiteStorage(path=path, must_exist=True)
    with storage.reading() as unit:
        assert {run.run_id for run in unit.runs.page(before=None, limit=10)} == run_ids
    storage.close()


def _begin(path: Path) -> SQLiteStorage:
    storage = SQLiteStorage(path=path)
    with storage.transaction() as unit:
        begin_run(unit)
    return storage


def _assert_whole(storage: SQLiteStorage) -> int:
    """All facts of one commit are there or none of them; how many items there are."""
    with storage.reading() as unit:
        run = unit.runs.get(RUN_ID)
        assert unit.items.recount(RUN_ID) == run.counts == StatusCounts(completed=run.ingest.next_index)
        assert run.result_sequence == run.ingest.next_index
    return run.ingest.next_index


def test_a_process_that_is_killed_at_any_time_leaves_whole_transactions(tmp_path: Path) -> None:
    storage = _begin(tmp_path / "state.sqlite3")
    counts = []
    for number in range(3):
        with _start("ingest_forever.py", str(storage.path)) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            time.sleep(0.1 + 0.0371 * number)
            worker.send_signal(signal.SIGKILL)
        counts.append(_assert_whole(storage))
    storage.close()
    assert counts == sorted(counts)
    assert counts[-1] > 0


@pytest.mark.parametrize(("place", "items"), [("before", 100), ("after", 150)])
def test_a_kill_around_the_third_commit_keeps_what_was_committed(tmp_path: Path, place: str, items: int) -> None:
    storage = _begin(tmp_path / "state.sqlite3")
    worker = _start("ingest_forever.py", str(storage.path), failpoint=f"state.commit.{place}:3:kill")
    worker.communicate()
    assert worker.returncode == -signal.SIGKILL
    assert _assert_whole(storage) == items
    storage.close()
