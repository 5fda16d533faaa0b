"""Several processes on one folder at once, and folders that a group shares."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchor_artifacts import LocalArtifactStore
from batchor_core.errors import ArtifactError
from batchor_testkit.artifact_contract import append, content, create

OTHER_USER, OTHER_GROUP = 65534, 65533

SAME_NAMES = """
import json, sys
from batchor_artifacts import LocalArtifactStore
from batchor_core.errors import LeaseLostError

store, me = LocalArtifactStore(sys.argv[1]), sys.argv[2]
kept = lost = 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    with store.create("run/out") as writer:
        writer.write(f"{me}\\n".encode() * 20_000)
    with store.create(f"run/{me}-{number}") as writer:
        writer.write(me.encode())
    try:
        with store.append("run/segment", at=0) as writer:
            for _ in range(3):
                writer.write(f"{me}\\n".encode() * 100)
                writer.sync()
        kept += 1
    except LeaseLostError:
        lost += 1
print(json.dumps({"kept": kept, "lost": lost}))
"""


def write_at_once(root: Path) -> list[Counter[str]]:
    command = [sys.executable, "-c", SAME_NAMES, str(root)]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    outputs = [writer.communicate("go\n", timeout=60)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    return [Counter(json.loads(output)) for output in outputs]


def test_two_processes_on_one_folder_never_mix_their_bytes(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "artifacts")
    first, second = write_at_once(tmp_path / "artifacts")
    assert first.total() == second.total() == 25
    assert set(content(store, "run/out").splitlines()) in ({b"one"}, {b"two"})
    assert set(content(store, "run/segment").splitlines()) in ({b"one"}, {b"two"})
    own = [f"run/{name}-{number}" for name in ("one", "two") for number in range(25)]
    assert list(store.names("")) == sorted([*own, "run/out", "run/segment"])
    assert [path.name for path in (tmp_path / "artifacts" / "run").iterdir() if path.name.startswith(".")] == []


# A group


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "artifacts"
    root.mkdir()
    root.chmod(0o2770)
    return root


def test_a_root_of_a_group_is_refused_unless_it_is_asked_for(root: Path) -> None:
    with pytest.raises(ArtifactError, match="shared_with_group=True"):
        create(LocalArtifactStore(root), "a", b"x")


def test_a_shared_store_lets_the_group_in_and_nobody_else_whatever_the_umask(root: Path) -> None:
    store = LocalArtifactStore(root, shared_with_group=True)
    before = os.umask(0o077)
    try:
        append(store, "run/deeper/a", b"x", at=0)
        create(store, "run/b", b"x")
        with store.create("run/c"):
            modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in root.rglob("*")}
    finally:
        os.umask(before)
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o2770}
    assert {mode for path, mode in modes.items() if not path.is_dir()} == {0o660}
    assert len(modes) == 5


def test_a_shared_root_that_is_made_belongs_to_the_group(tmp_path: Path) -> None:
    create(LocalArtifactStore(tmp_path / "new", shared_with_group=True), "a", b"x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o2770


def test_a_shared_root_that_everybody_can_write_is_refused(root: Path) -> None:
    root.chmod(0o2777)
    with pytest.raises(ArtifactError, match="everybody can write there; give it to the group that shares it"):
        create(LocalArtifactStore(root, shared_with_group=True), "a", b"x")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_shared_root_of_a_foreign_group_is_refused(root: Path) -> None:
    os.chown(root, OTHER_USER, OTHER_GROUP)
    with pytest.raises(ArtifactError, match="neither your own nor that of one of your groups"):
        create(LocalArtifactStore(root, shared_with_group=True), "a", b"x")


AS_ANOTHER_USER = """
import os, sys
from batchor_artifacts import LocalArtifactStore

os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
store = LocalArtifactStore(sys.argv[1], shared_with_group=True)
with store.append("run/a", at=3) as writer:
    writer.write(b"two")
    writer.sync()
with store.create("run/b") as writer:
    writer.write(b"new")
store.delete("run/c")
"""


@pytest.fixture
def reachable_root() -> Iterator[Path]:
    """A folder that other users can reach: those of pytest are its user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        root = Path(folder) / "artifacts"
        root.mkdir()
        os.chown(root, -1, OTHER_GROUP)
        root.chmod(0o2770)
        yield root


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_member_of_the_group_writes_on(reachable_root: Path) -> None:
    root = reachable_root
    store = LocalArtifactStore(root, shared_with_group=True)
    for name in ("run/a", "run/b", "run/c"):
        create(store, name, b"one")
    command = [sys.executable, "-c", AS_ANOTHER_USER, str(root), str(OTHER_USER), str(OTHER_GROUP)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.stderr == ""
    assert content(store, "run/a") == b"onetwo"
    assert content(store, "run/b") == b"new"
    assert list(store.names("")) == ["run/a", "run/b"]
    assert (root / "run" / "b").stat().st_uid == OTHER_USER
