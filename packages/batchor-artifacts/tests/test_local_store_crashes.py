"""Processes that are killed, and media that fail."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchor_artifacts import LocalArtifactStore
from batchor_artifacts.faults import artifact_fault
from batchor_core.errors import ArtifactError, ArtifactNotFoundError, LeaseLostError

WRITE = """
import os, signal, sys
from pathlib import Path
from batchor_artifacts import LocalArtifactStore

store = LocalArtifactStore(sys.argv[1])

def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
"""
CREATE = """
with store.create("run/a") as writer:
    writer.write(b"new" * 1_000_000)
"""
APPEND = """
with store.append("run/a", at=9) as writer:
    writer.write(b" second")
    writer.sync()
    writer.write(b" third" * 1_000_000)
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path)


def run(code: str, root: Path, *, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"BATCHOR_FAILPOINT": f"{failpoint}:1:kill"} if failpoint else {})
    command = [sys.executable, "-c", WRITE + code, str(root)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def run_and_kill(code: str, root: Path, *, failpoint: str = "") -> None:
    child = run(code, root, failpoint=failpoint)
    assert child.returncode == -signal.SIGKILL, child.stderr


def create(store: LocalArtifactStore, data: bytes) -> None:
    with store.create("run/a") as writer:
        writer.write(data)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def content(store: LocalArtifactStore) -> bytes:
    return store.read("run/a", offset=0, length=store.size("run/a"))


@pytest.mark.parametrize("step", ["sync.before", "sync.after", "rename.before"])
def test_a_create_that_is_killed_before_its_name_leaves_the_former_object(
    store: LocalArtifactStore, tmp_path: Path, step: str
) -> None:
    create(store, b"former")
    run_and_kill(CREATE, tmp_path, failpoint=f"artifact.create.{step}")
    assert content(store) == b"former"
    assert list(store.names("")) == ["run/a"]


def test_a_create_that_is_killed_in_its_block_leaves_no_object(store: LocalArtifactStore, tmp_path: Path) -> None:
    run_and_kill(CREATE + "    writer.sync()\n    die()", tmp_path)
    assert list(store.names("")) == []
    with pytest.raises(ArtifactNotFoundError):
        store.size("run/a")


@pytest.mark.parametrize("step", ["rename.after", "sync_folders.before", "sync_folders.after"])
def test_a_create_that_is_killed_behind_its_rename_leaves_the_whole_object(
    store: LocalArtifactStore, tmp_path: Path, step: str
) -> None:
    create(store, b"former")
    run_and_kill(CREATE, tmp_path, failpoint=f"artifact.create.{step}")
    assert content(store) == b"new" * 1_000_000


def test_creating_an_hour_later_removes_what_the_killed_process_left(store: LocalArtifactStore, tmp_path: Path) -> None:
    run_and_kill(CREATE, tmp_path, failpoint="artifact.create.rename.before")
    [left] = (tmp_path / "run").iterdir()
    an_hour_ago = left.stat().st_mtime - 3_700
    os.utime(left, (an_hour_ago, an_hour_ago))
    create(store, b"again")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["a"]


def test_an_append_that_is_killed_keeps_what_was_synced(store: LocalArtifactStore, tmp_path: Path) -> None:
    create(store, b"committed, lost")
    run_and_kill(APPEND + "    die()", tmp_path)
    assert content(store).startswith(b"committed second")


def test_an_append_goes_on_behind_a_killed_one(store: LocalArtifactStore, tmp_path: Path) -> None:
    create(store, b"committed, lost")
    run_and_kill(APPEND + "    die()", tmp_path)
    with store.append("run/a", at=16) as writer:
        writer.write(b" and on")
    assert content(store) == b"committed second and on"


@pytest.mark.parametrize(
    "step", ["copy.before", "copy.after", "rename.before", "rename.after", "sync.before", "sync_folders.before"]
)
def test_an_append_that_is_killed_anywhere_loses_nothing(store: LocalArtifactStore, tmp_path: Path, step: str) -> None:
    with store.append("run/a", at=0) as asleep:
        asleep.write(b"committed")
        asleep.sync()
        run_and_kill(APPEND, tmp_path, failpoint=f"artifact.append.{step}")
        assert content(store).startswith(b"committed")
        with store.append("run/a", at=9) as writer:
            writer.write(b" and on")
    assert content(store) == b"committed and on"


FILL_THE_DISK = """
import resource
from batchor_core.errors import ArtifactError

resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
try:
    with store.{call} as writer:
        for _ in range(10_000):
            writer.write(b"x" * 1_000)
        writer.sync()
except ArtifactError as error:
    print(error)
"""


@pytest.mark.parametrize("call", ['create("run/a")', 'append("run/a", at=0)'])
def test_a_file_that_cannot_grow_is_told_with_the_remedy(store: LocalArtifactStore, tmp_path: Path, call: str) -> None:
    child = run(FILL_THE_DISK.format(call=call), tmp_path)
    assert child.stdout.startswith(f"cannot write artifact 'run/a' in {tmp_path}: File too large; raise the limit")
    assert child.stderr == ""


def test_a_create_that_cannot_grow_leaves_nothing(store: LocalArtifactStore, tmp_path: Path) -> None:
    run(FILL_THE_DISK.format(call='create("run/a")'), tmp_path)
    assert list((tmp_path / "run").iterdir()) == []


WITHOUT_RIGHTS = """
import tempfile
from batchor_core.errors import ArtifactError
from batchor_artifacts import LocalArtifactStore

if os.geteuid() == 0:
    os.setuid(65534)
with tempfile.TemporaryDirectory() as folder:
    store = LocalArtifactStore(Path(folder) / "artifacts")
    with store.create("run/a") as writer:
        writer.write(b"x")
    locked = Path(folder) / "artifacts" / "run"
    locked.chmod(0o500)
    try:
        with store.create("run/b"):
            pass
    except ArtifactError as error:
        print(error)
    locked.chmod(0o700)
"""


def test_a_folder_without_the_right_to_write_is_told_with_the_remedy(tmp_path: Path) -> None:
    child = run(WITHOUT_RIGHTS, tmp_path)
    assert child.stdout.startswith("cannot create artifact 'run/b' in "), child.stderr
    assert "Permission denied; give the folder and all that is in it to the user that runs batchor" in child.stdout


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "No space left on device; free some space there, then start the run again"),
        (errno.EDQUOT, "raise the quota"),
        (errno.EROFS, "Read-only file system; mount the file system for writing"),
        (errno.EACCES, "Permission denied; give the folder"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ESTALE, "another host has replaced or deleted it: open it again"),
        (errno.ETIMEDOUT, "correct that, then start the run again: it goes on from what is stored"),
    ],
)
def test_each_fault_of_the_medium_has_a_remedy(code: int, remedy: str) -> None:
    fault = artifact_fault(OSError(code, os.strerror(code)), action="open", name="run/a", root=Path("/data"))
    assert str(fault).startswith("cannot open artifact 'run/a' in /data: ")
    assert remedy in str(fault)


@pytest.mark.parametrize("action", ["write", "sync", "close"])
def test_writing_to_what_another_host_has_replaced_is_a_lost_lease(action: str) -> None:
    fault = artifact_fault(OSError(errno.ESTALE, "stale"), action=action, name="run/a", root=Path("/data"))
    assert isinstance(fault, LeaseLostError)


def test_an_error_of_the_callers_block_stays_what_it_is(store: LocalArtifactStore) -> None:
    with pytest.raises(ConnectionResetError), store.create("run/a"):
        raise ConnectionResetError
    with pytest.raises(ConnectionResetError), store.append("run/a", at=0):
        raise ConnectionResetError


def test_a_fault_while_opening_leaves_no_file_open(store: LocalArtifactStore) -> None:
    create(store, b"x")
    before = open_files()
    for at in (5, -1):
        with pytest.raises(ArtifactError), store.append("run/a", at=at):
            pytest.fail("the block ran")
    with pytest.raises(ArtifactNotFoundError):
        store.open("run/b")
    assert open_files() == before
