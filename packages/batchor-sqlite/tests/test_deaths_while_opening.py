import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="stopping at system calls is Linux's ptrace")
def test_a_death_at_any_system_call_of_the_first_run_harms_nothing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("stop_at_each_call.py")
    process = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True
    )
    outcome = json.loads(process.stdout)
    assert outcome["harmed"] == []
    # From no file to all of them, with the journal of the very first page between.
    assert outcome["files"][:2] == [[], ["state.sqlite3"]]
    assert ["state.sqlite3", "state.sqlite3-journal"] in outcome["files"]
    assert ["state.sqlite3", "state.sqlite3-shm", "state.sqlite3-wal"] in outcome["files"]
    assert outcome["files"][-1] == ["state.sqlite3"]
