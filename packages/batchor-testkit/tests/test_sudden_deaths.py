import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stopping at system calls is Linux's ptrace")

_SCRIPT = """
import os, sys
from pathlib import Path
from batchor_testkit.sudden_deaths import left_behind

folder, copies = map(Path, sys.argv[1:])

def act():
    (folder / "one").write_text("1")
    os.rename(folder / "one", folder / "two")
    ACT

for copy in left_behind(act, folder, copies=copies):
    print(sorted((path.name, path.read_text()) for path in copy.iterdir()))
    (copy / "more").write_text("is gone when the next copy comes")
    LOOK
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child is left")
"""


def deaths(tmp_path: Path, *, act: str = "pass", look: str = "pass") -> subprocess.CompletedProcess[str]:
    """In a process of its own, for it forks."""
    folders = [tmp_path / name for name in ("folder", "copies")]
    for folder in folders:
        folder.mkdir()
    script = _SCRIPT.replace("ACT", act).replace("LOOK", look)
    return subprocess.run([sys.executable, "-c", script, *folders], capture_output=True, text=True, check=False)


def test_each_state_of_the_files_is_seen_once_and_in_order(tmp_path: Path) -> None:
    seen = deaths(tmp_path)
    assert seen.returncode == 0, seen.stderr
    assert seen.stdout.splitlines() == ["[]", "[('one', '')]", "[('one', '1')]", "[('two', '1')]", "no child is left"]


def test_a_child_that_fails_is_told_with_its_traceback(tmp_path: Path) -> None:
    seen = deaths(tmp_path, act="raise ValueError('the act is over')")
    assert "ValueError: the act is over" in seen.stderr
    assert "RuntimeError: the child has failed (wait status 256)" in seen.stderr


def test_a_child_that_is_killed_is_told(tmp_path: Path) -> None:
    seen = deaths(tmp_path, act="os.kill(os.getpid(), 9)")
    assert "RuntimeError: the child has failed (wait status 9)" in seen.stderr


def test_no_child_is_left_when_nobody_looks_any_more(tmp_path: Path) -> None:
    seen = deaths(tmp_path, look="break")
    assert seen.stdout.splitlines() == ["[]", "no child is left"], seen.stderr
