"""What only an object store has: parts, pages of listings, prefixes, and writers on several hosts."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batchor_artifacts import LocalArtifactStore, ObjectArtifactStore, artifact_store_at
from batchor_core.errors import ArtifactError, ArtifactNotFoundError, ConfigurationError, LeaseLostError
from batchor_testkit.artifact_contract import append, content, create


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(root: Path) -> ObjectArtifactStore:
    return ObjectArtifactStore(f"file://{root}", part_bytes=4)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def grow_old(path: Path, *, age_s: float = 3_700) -> None:
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))


# Parts


def test_an_object_is_parts_in_the_order_of_their_offsets_and_one_marker(
    store: ObjectArtifactStore, root: Path
) -> None:
    create(store, "run/a", b"0123456789")
    marker, *parts = files(root)
    assert re.fullmatch(r"run/a/_/\d{13}-[a-z][0-9a-z]{7}", marker)
    assert [part.rpartition("-")[2] for part in parts] == ["0000000000000", "0000000000004", "0000000000008"]
    assert b"".join((root / part).read_bytes() for part in parts) == b"0123456789"


@pytest.mark.parametrize("at", range(11))
def test_appending_cuts_parts_anywhere(store: ObjectArtifactStore, at: int) -> None:
    create(store, "a", b"0123456789")
    append(store, "a", b"abcdefg", at=at)
    assert content(store, "a") == b"0123456789"[:at] + b"abcdefg"


@pytest.mark.parametrize("offset", range(9))
@pytest.mark.parametrize("length", range(9))
def test_ranges_are_read_over_the_borders_of_parts(store: ObjectArtifactStore, offset: int, length: int) -> None:
    create(store, "a", b"0123456789abcdef")
    assert store.read("a", offset=offset, length=length) == b"0123456789abcdef"[offset : offset + length]


def test_a_sync_of_nothing_new_stores_nothing(store: ObjectArtifactStore, root: Path) -> None:
    with store.append("a", at=0) as writer:
        writer.write(b"x")
        writer.sync()
        before = files(root)
        assert writer.sync() == 1
        assert files(root) == before


def test_an_object_that_lost_a_part_is_as_long_as_what_is_before_it(store: ObjectArtifactStore, root: Path) -> None:
    create(store, "a", b"0123456789")
    [lost] = (root / "a" / "_").glob("*-0000000000004")
    lost.unlink()
    assert store.size("a") == 4
    with pytest.raises(ArtifactError, match="has 4 bytes, but 10 were stored: the last 6 are lost"):
        store.read("a", offset=0, length=10)


def test_a_part_that_vanishes_under_a_reader_is_an_error_and_no_short_object(
    store: ObjectArtifactStore, root: Path
) -> None:
    create(store, "a", b"0123456789")
    with store.open("a") as file:
        store.delete("a")
        with pytest.raises(ArtifactError, match="was replaced or deleted meanwhile; open it again"):
            file.read()


def test_names_and_objects_below_them_do_not_meet(store: ObjectArtifactStore) -> None:
    for name in ("a", "ab", "a/b", "a/b/c", "a.b"):
        create(store, name, name.encode())
    store.delete("a")
    assert list(store.names("")) == ["a.b", "a/b", "a/b/c", "ab"]
    assert list(store.names("a/b")) == ["a/b", "a/b/c"]
    assert content(store, "a/b") == b"a/b"
    with pytest.raises(ArtifactNotFoundError):
        store.size("a")


def test_foreign_keys_are_no_objects(store: ObjectArtifactStore, root: Path) -> None:
    create(store, "a", b"x")
    for foreign in ("b", "a/b", "a/_/README", "_/0000000000001-abcdefgh"):
        (root / foreign).parent.mkdir(parents=True, exist_ok=True)
        (root / foreign).write_bytes(b"foreign")
    assert list(store.names("")) == ["a"]
    assert content(store, "a") == b"x"


# Writers that meet


def test_the_last_who_began_to_append_has_the_object(store: ObjectArtifactStore) -> None:
    with store.append("a", at=0) as asleep:
        asleep.write(b"one,")
        asleep.sync()
        asleep.write(b"late")
        with store.append("a", at=4) as successor:
            successor.write(b"two,")
            with pytest.raises(LeaseLostError, match="artifact 'a' was lost to another worker"):
                asleep.sync()
            successor.write(b"three")
            assert successor.sync() == 13
    assert content(store, "a") == b"one,two,three"


def test_who_ends_a_create_last_replaces_the_others(store: ObjectArtifactStore) -> None:
    with store.create("a") as first:
        first.write(b"begun first")
        create(store, "a", b"begun second")
        assert content(store, "a") == b"begun second"
    assert content(store, "a") == b"begun first"


def test_a_create_whose_parts_were_deleted_meanwhile_is_lost(store: ObjectArtifactStore) -> None:
    def create_and_delete() -> None:
        with store.create("a") as writer:
            writer.write(b"0123456789")
            store.delete("a")

    with pytest.raises(LeaseLostError):
        create_and_delete()
    assert list(store.names("")) == []


def test_an_append_whose_object_was_deleted_is_lost(store: ObjectArtifactStore) -> None:
    with store.append("a", at=0) as writer:
        writer.write(b"x")
        store.delete("a")
        with pytest.raises(LeaseLostError):
            writer.sync()
    assert list(store.names("")) == []


def test_a_marker_of_a_request_that_got_no_answer_arrives_too_late(store: ObjectArtifactStore, root: Path) -> None:
    sent_at_ms = int(time.time() * 1_000) - 1
    append(store, "a", b"of the successor", at=0)
    (root / "a" / "_" / f"{sent_at_ms}-zzzzzzzz").write_bytes(b"")
    assert content(store, "a") == b"of the successor"


def test_a_host_whose_clock_is_behind_still_replaces_what_it_sees(store: ObjectArtifactStore, root: Path) -> None:
    append(store, "a", b"former", at=0)
    [marker] = (root / "a" / "_").glob("[0-9]*")
    writer = marker.name.rpartition("-")[2]
    marker.rename(marker.with_name(f"{int(time.time() * 1_000) + 3_600_000}-{writer}"))
    create(store, "a", b"new")
    assert content(store, "a") == b"new"


# What is left over


def test_a_reader_keeps_an_object_that_is_replaced_again_and_again(store: ObjectArtifactStore) -> None:
    create(store, "a", b"0123456789")
    with store.open("a") as file:
        for number in range(3):
            create(store, "a", str(number).encode())
        assert file.read() == b"0123456789"


def test_what_was_replaced_an_hour_ago_is_removed_at_the_next_write(store: ObjectArtifactStore, root: Path) -> None:
    create(store, "a", b"1")
    create(store, "a", b"2")
    for path in (root / "a" / "_").iterdir():
        grow_old(path)
    create(store, "a", b"3")
    stored = {(root / name).read_bytes() for name in files(root)}
    # 2 was replaced just now: somebody may be reading it.
    assert stored == {b"", b"2", b"3"}


def test_what_a_crash_left_unfinished_an_hour_ago_is_removed_at_the_next_write(
    store: ObjectArtifactStore, root: Path
) -> None:
    folder = root / "a" / "_"
    folder.mkdir(parents=True)
    for writer in ("crashedx", "workingx"):
        (folder / f"{writer}-0000000000000").write_bytes(b"half")
    grow_old(folder / "crashedx-0000000000000")
    create(store, "a", b"new")
    assert not (folder / "crashedx-0000000000000").exists()
    assert (folder / "workingx-0000000000000").exists()


def test_deleting_leaves_nothing(store: ObjectArtifactStore, root: Path) -> None:
    for data in (b"former", b"new"):
        create(store, "a", data)
    store.delete("a")
    assert files(root) == []


# Over the network


def test_listings_go_on_behind_the_thousand_keys_that_one_answer_holds(make_bucket: Callable[[], str]) -> None:
    store = ObjectArtifactStore(f"s3://{make_bucket()}/deep/prefix", part_bytes=1)
    create(store, "run/a", b"x" * 1_010)
    create(store, "run/b", b"x")
    assert list(store.names("run/")) == ["run/a", "run/b"]
    assert store.size("run/a") == 1_010
    store.delete("run/a")
    with pytest.raises(ArtifactNotFoundError):
        store.size("run/a")
    assert list(store.names("")) == ["run/b"]


def test_stores_with_other_prefixes_see_nothing_of_each_other(make_bucket: Callable[[], str]) -> None:
    bucket = make_bucket()
    stores = [ObjectArtifactStore(f"s3://{bucket}/{prefix}") for prefix in ("a", "ab", "a/b")]
    for store in stores:
        create(store, "run/x", repr(store).encode())
    for store in stores[1:]:
        assert list(store.names("")) == ["run/x"]
        assert content(store, "run/x") == repr(store).encode()
        store.delete("run/x")
    assert content(stores[0], "run/x") == repr(stores[0]).encode()


MEASURED = """
import resource, sys
from batchor_artifacts import ObjectArtifactStore

store = ObjectArtifactStore(sys.argv[1])
piece = bytes(range(256)) * 4_096
with store.create("run/warm") as writer:
    writer.write(piece * 9)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with store.create("run/out") as created, store.append("run/segment", at=0) as appended:
    for number in range(200):
        created.write(piece)
        appended.write(piece)
        if number % 10 == 9:
            appended.sync()
for name in ("run/out", "run/segment"):
    with store.open(name) as file:
        assert all(file.read(len(piece)) == piece for _ in range(200))
        assert file.read() == b""
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_objects_of_200_mb_travel_in_bounded_memory(make_bucket: Callable[[], str]) -> None:
    command = [sys.executable, "-c", MEASURED, f"s3://{make_bucket()}/x"]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.stderr == ""
    assert int(child.stdout) < 64


# By path or URL


def test_a_path_is_a_local_store(tmp_path: Path) -> None:
    for place in (tmp_path / "a", str(tmp_path / "a"), f"file://{tmp_path}/a"):
        store = artifact_store_at(place)
        assert isinstance(store, LocalArtifactStore)
        create(store, "x", b"x")
        assert (tmp_path / "a" / "x").exists()
        store.delete("x")


def test_a_file_url_may_hold_escaped_characters(tmp_path: Path) -> None:
    create(artifact_store_at(f"file://{tmp_path}/two%20words"), "x", b"x")
    assert (tmp_path / "two words" / "x").exists()


def test_a_url_is_an_object_store(make_bucket: Callable[[], str]) -> None:
    url = f"s3://{make_bucket()}/prefix"
    create(artifact_store_at(url), "x", b"x")
    assert content(ObjectArtifactStore(url), "x") == b"x"


@pytest.mark.parametrize("place", ["file://host/share", "file://x", "ftp://host/x", "s3://", "https://host/x"])
def test_a_url_that_names_no_store_is_refused(place: str) -> None:
    with pytest.raises(ConfigurationError, match="give"):
        artifact_store_at(place)
