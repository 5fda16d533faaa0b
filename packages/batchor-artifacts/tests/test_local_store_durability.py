"""Writers that meet, and what is durable when."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from batchor_artifacts import LocalArtifactStore
from batchor_core import failpoints
from batchor_core.errors import ArtifactError, LeaseLostError
from batchor_testkit.artifact_contract import append, content, create


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(root: Path) -> LocalArtifactStore:
    return LocalArtifactStore(root)


@pytest.fixture
def passed() -> Iterator[list[str]]:
    """The failpoints that are passed, in order."""
    names: list[str] = []
    failpoints.observe(names.append)
    yield names
    failpoints.observe(None)


# A writer that was replaced


def test_a_writer_that_was_replaced_no_longer_reaches_the_object(store: LocalArtifactStore) -> None:
    with store.append("run/a", at=0) as asleep:
        asleep.write(b"one,")
        asleep.sync()
        asleep.write(b"in its buffer,")
        with store.append("run/a", at=4) as successor:
            successor.write(b"two,")
            with pytest.raises(LeaseLostError, match="artifact 'run/a' was lost to another worker"):
                asleep.sync()
            successor.write(b"three")
            assert successor.sync() == 13
    assert content(store, "run/a") == b"one,two,three"


def test_a_writer_after_the_replaced_one_writes_on_in_the_successors_object(store: LocalArtifactStore) -> None:
    with store.append("run/a", at=0) as asleep:
        asleep.write(b"one,")
        asleep.sync()
        append(store, "run/a", b"two,", at=4)
        append(store, "run/a", b"three", at=8)
    assert content(store, "run/a") == b"one,two,three"


def test_taking_over_leaves_the_mode_and_no_other_file(store: LocalArtifactStore, root: Path) -> None:
    with store.append("run/a", at=0) as asleep:
        asleep.write(b"x" * 3_000_000)
        asleep.sync()
        append(store, "run/a", b"y", at=2_500_000)
    [file] = (root / "run").iterdir()
    assert (file.name, file.stat().st_size, stat.S_IMODE(file.stat().st_mode)) == ("a", 2_500_001, 0o600)


def test_taking_over_what_is_too_short_is_refused(store: LocalArtifactStore) -> None:
    with store.append("run/a", at=0) as asleep:
        asleep.write(b"one")
        asleep.sync()
        with pytest.raises(ArtifactError, match="the last 1 are lost; restore the file from a backup"):
            append(store, "run/a", b"two", at=4)
    assert content(store, "run/a") == b"one"


def test_a_reader_keeps_what_it_opened_when_a_writer_cuts_it_off(store: LocalArtifactStore) -> None:
    create(store, "a", b"one, two")
    with store.open("a") as file:
        append(store, "a", b"three", at=0)
        assert file.read() == b"one, two"


def test_an_unfinished_file_that_another_host_took_for_a_leftover_is_a_lost_lease(
    store: LocalArtifactStore, root: Path
) -> None:
    create(store, "a", b"former")

    def others_sweep() -> None:
        for path in root.glob(".a.*.tmp"):
            path.unlink()

    failpoints.observe(at_first("artifact.create.rename.before", others_sweep))
    with pytest.raises(LeaseLostError):
        create(store, "a", b"new")
    failpoints.observe(None)
    assert content(store, "a") == b"former"


def at_first(failpoint: str, action: Callable[[], None]) -> Callable[[str], None]:
    """An observer that acts when *failpoint* is first passed."""
    left = [failpoint]

    def observer(name: str) -> None:
        if name in left:
            left.clear()
            action()

    return observer


# The order of durable steps


def test_create_syncs_the_content_then_renames_then_syncs_the_folders(
    store: LocalArtifactStore, passed: list[str]
) -> None:
    create(store, "run/a", b"x")
    assert passed == [
        f"artifact.create.{step}.{side}" for step in ("sync", "rename", "sync_folders") for side in ("before", "after")
    ]


def test_a_new_object_is_synced_with_its_folders_once(store: LocalArtifactStore, passed: list[str]) -> None:
    with store.append("run/a", at=0) as writer:
        writer.sync()
        writer.sync()
    assert [name for name in passed if not name.endswith(".after")] == [
        "artifact.append.rename.before",
        "artifact.append.sync.before",
        "artifact.append.sync_folders.before",
        "artifact.append.sync.before",
    ]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The inodes that are really synced."""
    inodes: set[int] = set()
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        fsync(descriptor)
        inodes.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    return inodes


def inodes_of(*paths: Path) -> set[int]:
    return {path.stat().st_ino for path in paths}


def test_a_created_object_and_all_its_folders_are_synced(
    store: LocalArtifactStore, root: Path, synced: set[int]
) -> None:
    create(store, "run/deeper/a", b"x")
    deeper = root / "run" / "deeper"
    assert synced == inodes_of(deeper / "a", deeper, root / "run", root, root.parent)


def test_a_begun_object_and_all_its_folders_are_synced_though_others_made_them(
    store: LocalArtifactStore, root: Path, synced: set[int]
) -> None:
    (root / "run").mkdir(parents=True)
    append(store, "run/a", b"x", at=0)
    assert synced == inodes_of(root / "run" / "a", root / "run", root)


def test_a_copy_is_synced_before_it_takes_the_name(
    store: LocalArtifactStore, root: Path, synced: set[int], passed: list[str]
) -> None:
    create(store, "a", b"one")
    synced.clear()
    syncs_at_rename: list[set[int]] = []
    failpoints.observe(at_first("artifact.append.rename.before", lambda: syncs_at_rename.append(set(synced))))
    with store.append("a", at=3):
        assert syncs_at_rename == [inodes_of(root / "a")]


def test_a_sync_that_failed_is_not_repeated(store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    append(store, "a", b"one", at=0)
    with store.append("a", at=3) as writer:
        writer.write(b"two")
        with monkeypatch.context() as medium:
            medium.setattr(os, "fsync", fail)
            with pytest.raises(ArtifactError, match=r"cannot sync artifact 'a' in .*look to the disk"):
                writer.sync()
        # The medium works again, but what became of the bytes before is not known.
        with pytest.raises(ArtifactError, match="cannot sync artifact 'a'"):
            writer.sync()


@pytest.mark.parametrize("step", ["sync.before", "sync.after", "rename.before"])
def test_a_create_that_fails_before_its_name_leaves_the_former_object(
    store: LocalArtifactStore, root: Path, step: str
) -> None:
    create(store, "a", b"former")
    failpoints.arm(f"artifact.create.{step}")
    with suppress(failpoints.InjectedCrash):
        create(store, "a", b"new")
    assert content(store, "a") == b"former"
    assert [path.name for path in root.iterdir()] == ["a"]
