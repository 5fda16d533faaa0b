import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batchor_artifacts import LocalArtifactStore
from batchor_core.errors import ArtifactError, ArtifactNotFoundError
from batchor_testkit.artifact_contract import append, content, create

OTHER_USER = 65534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(root: Path) -> LocalArtifactStore:
    return LocalArtifactStore(root)


type Use = Callable[[LocalArtifactStore, str], object]

READS_AND_APPENDS: dict[str, Use] = {
    "append": lambda store, name: append(store, name, b"x", at=0),
    "append on": lambda store, name: append(store, name, b"x", at=1),
    "open": lambda store, name: store.open(name),
    "size": lambda store, name: store.size(name),
    "read": lambda store, name: store.read(name, offset=0, length=1),
}
CREATE: dict[str, Use] = {"create": lambda store, name: create(store, name, b"x")}
DELETE: dict[str, Use] = {"delete": lambda store, name: store.delete(name)}
NAMES: dict[str, Use] = {"names": lambda store, name: list(store.names(name))}


def each(uses: dict[str, Use]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("use", [pytest.param(use, id=name) for name, use in uses.items()])


# Folders and modes


def test_nothing_is_made_before_the_first_object(store: LocalArtifactStore, root: Path) -> None:
    assert list(store.names("")) == []
    with pytest.raises(ArtifactNotFoundError):
        store.open("run/a")
    assert not root.exists()


def test_folders_are_0700_and_files_0600_whatever_the_umask(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "new" / "artifacts")
    before = os.umask(0)
    try:
        append(store, "run/deeper/a", b"x", at=0)
        create(store, "run/b", b"x")
        with store.create("run/c"):
            modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "new").rglob("*")}
    finally:
        os.umask(before)
    modes[tmp_path / "new"] = stat.S_IMODE((tmp_path / "new").stat().st_mode)
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if not path.is_dir()} == {0o600}
    assert len(modes) == 7


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalArtifactStore("artifacts")
    monkeypatch.chdir("/")
    create(store, "a", b"x")
    assert (tmp_path / "artifacts" / "a").read_bytes() == b"x"


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o770, 0o777, 0o1777])
@each(READS_AND_APPENDS | CREATE | DELETE | NAMES)
def test_a_root_that_others_can_write_is_refused(store: LocalArtifactStore, root: Path, mode: int, use: Use) -> None:
    create(store, "a", b"x")
    root.chmod(mode)
    with pytest.raises(ArtifactError, match=f"{root} can be written by other users; .*chmod 700"):
        use(store, "a")
    assert (root / "a").read_bytes() == b"x"


def test_a_root_of_another_user_is_refused(store: LocalArtifactStore, root: Path) -> None:
    root.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(root, OTHER_USER, OTHER_USER)
    else:
        store = LocalArtifactStore("/")
    with pytest.raises(ArtifactError, match="can be written by other users"):
        list(store.names(""))


def test_a_root_that_is_a_file_is_refused(store: LocalArtifactStore, root: Path) -> None:
    root.write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"'run/a' in .*Not a directory; .*take it away"):
        append(store, "run/a", b"x", at=0)


# Links and other things that stand in the way


@each(READS_AND_APPENDS)
def test_a_folder_that_is_a_link_is_not_followed(
    store: LocalArtifactStore, root: Path, tmp_path: Path, use: Use
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"secret")
    create(store, "run/a", b"x")
    (root / "link").symlink_to(outside)
    with pytest.raises(ArtifactError, match="take it away"):
        use(store, "link/a")
    assert (outside / "a").read_bytes() == b"secret"
    assert [path.name for path in outside.iterdir()] == ["a"]


@each(READS_AND_APPENDS)
def test_a_file_that_is_a_link_is_not_followed(store: LocalArtifactStore, root: Path, tmp_path: Path, use: Use) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    create(store, "run/a", b"x")
    (root / "run" / "link").symlink_to(outside)
    with pytest.raises(ArtifactError, match="take it away"):
        use(store, "run/link")
    assert outside.read_bytes() == b"secret"


def test_creating_and_deleting_at_a_link_leaves_what_it_leads_to(
    store: LocalArtifactStore, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"kept")
    create(store, "a", b"x")
    for name in ("created", "deleted"):
        (root / name).symlink_to(outside)
    create(store, "created", b"new")
    store.delete("deleted")
    assert content(store, "created") == b"new"
    assert not (root / "created").is_symlink()
    assert not (root / "deleted").is_symlink()
    assert outside.read_bytes() == b"kept"


def test_links_and_foreign_files_are_not_listed(store: LocalArtifactStore, root: Path, tmp_path: Path) -> None:
    create(store, "run/a", b"x")
    (root / "run" / "link").symlink_to(root / "run" / "a")
    (root / "loop").symlink_to(root)
    (root / "run" / "README.TXT").write_bytes(b"")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "b").write_bytes(b"")
    os.mkfifo(root / "pipe")
    assert list(store.names("")) == ["run/a"]


@each(READS_AND_APPENDS)
def test_a_named_pipe_is_refused_without_waiting(store: LocalArtifactStore, root: Path, use: Use) -> None:
    create(store, "a", b"x")
    os.mkfifo(root / "pipe")
    with pytest.raises(ArtifactError, match="take it away"):
        use(store, "pipe")


@each(READS_AND_APPENDS | CREATE | DELETE)
def test_a_folder_is_no_object(store: LocalArtifactStore, use: Use) -> None:
    create(store, "run/a", b"x")
    with pytest.raises(ArtifactError, match=r"'run'.*take it away"):
        use(store, "run")
    assert list(store.names("")) == ["run/a"]


def test_an_object_is_no_folder(store: LocalArtifactStore) -> None:
    create(store, "run", b"x")
    with pytest.raises(ArtifactError, match=r"'run/a'.*take it away"):
        create(store, "run/a", b"x")
    assert list(store.names("")) == ["run"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_not_appended_to(store: LocalArtifactStore, root: Path) -> None:
    create(store, "a", b"x")
    os.chown(root / "a", OTHER_USER, OTHER_USER)
    with pytest.raises(ArtifactError, match="belongs to another user; give it to the user that runs batchor"):
        append(store, "a", b"y", at=1)


# Unfinished files


def test_an_unfinished_file_is_hidden_and_carries_the_name(store: LocalArtifactStore, root: Path) -> None:
    with store.create("run/out.jsonl") as writer:
        writer.write(b"x")
        writer.sync()
        [unfinished] = (root / "run").iterdir()
        assert unfinished.name.startswith(".out.jsonl.")
        assert unfinished.name.endswith(".tmp")
    assert [path.name for path in (root / "run").iterdir()] == ["out.jsonl"]


def leave_behind(root: Path, name: str, *, age_s: float) -> Path:
    path = root / f".{name}.otherhost-17-0123456789abcdef.tmp"
    path.write_bytes(b"half")
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
    return path


@each(CREATE | DELETE | {"append": READS_AND_APPENDS["append"]})
def test_what_any_host_left_unfinished_an_hour_ago_is_removed(store: LocalArtifactStore, root: Path, use: Use) -> None:
    create(store, "out", b"former")
    left, others = leave_behind(root, "out", age_s=3_700), leave_behind(root, "out.more", age_s=3_700)
    use(store, "out")
    assert not left.exists()
    assert not others.exists()


@each(CREATE | DELETE | {"append": READS_AND_APPENDS["append"]})
def test_what_another_host_may_still_be_writing_stays(store: LocalArtifactStore, root: Path, use: Use) -> None:
    create(store, "out", b"former")
    living = leave_behind(root, "out", age_s=3_500)
    use(store, "out")
    assert living.exists()


def test_hidden_files_of_others_stay_whatever_their_age(store: LocalArtifactStore, root: Path) -> None:
    create(store, "out", b"former")
    foreign = root / ".nfs0000000000a1b2c3.tmp"
    foreign.write_bytes(b"")
    os.utime(foreign, (0, 0))
    store.delete("out")
    assert foreign.exists()


def test_an_unfinished_file_in_use_is_not_removed(store: LocalArtifactStore) -> None:
    with store.create("out") as first:
        first.write(b"first")
        create(store, "out", b"second")
        store.delete("out")
    assert content(store, "out") == b"first"


# What the system remembers of files


def _read_whole(store: LocalArtifactStore) -> None:
    with store.open("run/a") as file:
        while file.read(10_000):
            pass


def _read_beginning(store: LocalArtifactStore) -> None:
    with store.open("run/a") as file:
        file.readline()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is told")
@pytest.mark.parametrize(
    ("use", "number"),
    [
        (_read_whole, 1),
        (_read_beginning, 0),
        (lambda store: store.read("run/a", offset=0, length=10), 0),
        (lambda store: append(store, "run/a", b"x", at=200_000), 0),
    ],
    ids=["whole", "beginning", "range", "append"],
)
def test_a_file_that_was_read_through_is_not_kept_in_memory(
    store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch, use: Callable[[LocalArtifactStore], object], number: int
) -> None:
    create(store, "run/a", b"ab\n\n" * 50_000)
    real, told = os.posix_fadvise, []

    def tell(descriptor: int, offset: int, length: int, advice: int) -> None:
        told.append((offset, length, advice))
        real(descriptor, offset, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", tell)
    use(store)
    assert told == [(0, 0, os.POSIX_FADV_DONTNEED)] * number
    assert content(store, "run/a")[:200_000] == b"ab\n\n" * 50_000
