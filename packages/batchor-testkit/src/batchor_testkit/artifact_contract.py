"""What every artifact store promises: the port `batchor_core.ports.artifacts`, as tests.

```python
class TestLocalArtifacts(ArtifactStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalArtifactStore:
        return LocalArtifactStore(tmp_path / "artifacts")
```
"""

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from batchor_core.errors import ArtifactError, ArtifactNotFoundError
from batchor_core.ports.artifacts import ArtifactStore, ArtifactWriter

HOSTILE_NAMES = (
    "",
    ".",
    "..",
    "../x",
    "a/../b",
    "a..b",
    "/etc/passwd",
    "a//b",
    "a/./b",
    "a/",
    "/a",
    ".hidden",
    "a/.hidden",
    "-a",
    "A",
    "a/B",
    "a b",
    "a\\b",
    "a\0b",
    "a\n",
    "ä",
    "a:b",
    "~",
    "a" * 300,
    "a/" * 1_000 + "a",
)
_BIG_PIECE = bytes(range(256)) * 256
_BIG_PIECES = 320


class _BlockFailedError(Exception):
    """What a block of the tests raises."""


class ArtifactStoreContract:
    """Derive, and give the fixture `store`: an empty store. Override `reopen` where a store outlives its process."""

    memory_limit_bytes: ClassVar[int] = 8 << 20
    """What writing and reading an object of 20 MB may allocate at most."""

    @pytest.fixture
    def reopen(self, store: ArtifactStore) -> Callable[[], ArtifactStore]:
        """A store on the same medium, as another process opens it."""
        return lambda: store

    # Appending

    def test_an_appended_object_holds_what_was_written(self, store: ArtifactStore) -> None:
        with store.append("run/a.jsonl", at=0) as writer:
            writer.write(b"one\n")
            writer.write(b"two\n")
        assert store.read("run/a.jsonl", offset=0, length=8) == b"one\ntwo\n"

    def test_write_tells_the_number_of_bytes(self, store: ArtifactStore) -> None:
        with store.append("a", at=0) as writer:
            assert writer.write(b"12345") == 5

    def test_sync_tells_the_size_of_the_object(self, store: ArtifactStore) -> None:
        append(store, "a", b"12345", at=0)
        with store.append("a", at=3) as writer:
            assert writer.sync() == 3
            writer.write(b"67")
            assert writer.sync() == 5

    def test_what_was_synced_is_there_for_others_while_the_writer_goes_on(
        self, store: ArtifactStore, reopen: Callable[[], ArtifactStore]
    ) -> None:
        with store.append("a", at=0) as writer:
            writer.write(b"synced")
            writer.sync()
            assert reopen().read("a", offset=0, length=6) == b"synced"

    def test_what_was_synced_outlives_a_block_that_raises(
        self, store: ArtifactStore, reopen: Callable[[], ArtifactStore]
    ) -> None:
        with pytest.raises(_BlockFailedError):
            sync_and_fail(store.append("a", at=0), b"synced")
        assert content(reopen(), "a").startswith(b"synced")

    def test_appending_cuts_off_what_follows(self, store: ArtifactStore, reopen: Callable[[], ArtifactStore]) -> None:
        append(store, "a", b"committed, and lost", at=0)
        append(reopen(), "a", b" again", at=9)
        assert content(store, "a") == b"committed again"

    def test_appending_at_the_end_keeps_all(self, store: ArtifactStore, reopen: Callable[[], ArtifactStore]) -> None:
        append(store, "a", b"one", at=0)
        append(reopen(), "a", b"two", at=3)
        assert content(store, "a") == b"onetwo"

    def test_appending_at_zero_begins_the_object_anew(self, store: ArtifactStore) -> None:
        append(store, "a", b"old content", at=0)
        append(store, "a", b"new", at=0)
        assert content(store, "a") == b"new"

    def test_appending_nothing_leaves_an_empty_object(self, store: ArtifactStore) -> None:
        append(store, "a", b"", at=0)
        assert store.size("a") == 0

    @pytest.mark.parametrize("at", [4, 1_000_000])
    def test_appending_behind_the_end_says_what_was_lost(self, store: ArtifactStore, at: int) -> None:
        append(store, "a", b"abc", at=0)
        with pytest.raises(ArtifactError, match=f"'a'.*3 bytes.*{at}"), store.append("a", at=at):
            pytest.fail("the block ran")
        assert content(store, "a") == b"abc"

    def test_appending_to_a_missing_object_behind_its_beginning_is_refused(self, store: ArtifactStore) -> None:
        with pytest.raises(ArtifactError, match="'run/a'"), store.append("run/a", at=1):
            pytest.fail("the block ran")
        assert list(store.names("")) == []

    def test_appending_at_a_negative_byte_is_refused(self, store: ArtifactStore) -> None:
        append(store, "a", b"abc", at=0)
        with pytest.raises(ArtifactError), store.append("a", at=-1):
            pytest.fail("the block ran")
        assert content(store, "a") == b"abc"

    # Creating

    def test_a_created_object_is_whole(self, store: ArtifactStore, reopen: Callable[[], ArtifactStore]) -> None:
        create(store, "run/out", b"answers")
        assert content(reopen(), "run/out") == b"answers"

    def test_a_created_object_may_be_empty(self, store: ArtifactStore) -> None:
        create(store, "run/out", b"")
        assert store.size("run/out") == 0

    def test_an_object_is_not_there_before_its_block_ends(self, store: ArtifactStore) -> None:
        with store.create("run/out") as writer:
            writer.write(b"half")
            writer.sync()
            assert list(store.names("")) == []
            with pytest.raises(ArtifactNotFoundError):
                store.size("run/out")

    def test_sync_in_create_tells_the_bytes_so_far(self, store: ArtifactStore) -> None:
        with store.create("a") as writer:
            writer.write(b"123")
            assert writer.sync() == 3

    def test_a_block_that_raises_creates_nothing(self, store: ArtifactStore) -> None:
        with pytest.raises(_BlockFailedError):
            sync_and_fail(store.create("run/out"), b"half")
        assert list(store.names("")) == []

    def test_a_block_that_raises_leaves_the_former_object(self, store: ArtifactStore) -> None:
        create(store, "a", b"former")
        with pytest.raises(_BlockFailedError):
            sync_and_fail(store.create("a"), b"half")
        assert content(store, "a") == b"former"

    def test_creating_replaces_the_former_object(self, store: ArtifactStore) -> None:
        create(store, "a", b"a former and longer object")
        create(store, "a", b"new")
        assert content(store, "a") == b"new"

    def test_a_created_object_can_be_appended_to(self, store: ArtifactStore) -> None:
        create(store, "a", b"one")
        append(store, "a", b"two", at=3)
        assert content(store, "a") == b"onetwo"

    # Reading

    def test_an_object_is_read_line_by_line(self, store: ArtifactStore) -> None:
        create(store, "a", b"one\ntwo\xe2\x80\xa8\nthree")
        with store.open("a") as file:
            assert list(file) == [b"one\n", b"two\xe2\x80\xa8\n", b"three"]

    def test_an_open_object_can_be_sought_in(self, store: ArtifactStore) -> None:
        create(store, "a", b"0123456789")
        with store.open("a") as file:
            assert file.seekable()
            assert file.read(4) == b"0123"
            assert file.seek(-2, 2) == 8
            assert file.read() == b"89"
            assert file.seek(0) == 0
            assert file.tell() == 0
            assert file.read() == b"0123456789"

    def test_a_reader_keeps_the_object_that_it_opened(self, store: ArtifactStore) -> None:
        create(store, "a", b"former")
        with store.open("a") as file:
            create(store, "a", b"new")
            assert file.read() == b"former"

    @pytest.mark.parametrize(("offset", "length"), [(0, 10), (0, 0), (3, 4), (9, 1), (10, 0)])
    def test_a_range_is_read_exactly(self, store: ArtifactStore, offset: int, length: int) -> None:
        create(store, "a", b"0123456789")
        assert store.read("a", offset=offset, length=length) == b"0123456789"[offset : offset + length]

    @pytest.mark.parametrize(("offset", "length"), [(0, 11), (10, 1), (11, 0), (5, 1 << 60), (-1, 1), (3, -1)])
    def test_a_range_outside_of_the_object_is_refused(self, store: ArtifactStore, offset: int, length: int) -> None:
        create(store, "a", b"0123456789")
        with pytest.raises(ArtifactError, match="'a'"):
            store.read("a", offset=offset, length=length)

    def test_size_is_in_bytes(self, store: ArtifactStore) -> None:
        create(store, "a", "zażółć".encode())
        assert store.size("a") == 10

    @pytest.mark.parametrize("name", ["missing", "run/missing", "run/deeper/missing"])
    def test_a_missing_object_is_not_found(self, store: ArtifactStore, name: str) -> None:
        for read in (store.open, store.size, lambda name: store.read(name, offset=0, length=0)):
            with pytest.raises(ArtifactNotFoundError, match=f"'{name}'"):
                read(name)

    def test_big_objects_travel_in_bounded_memory(self, store: ArtifactStore) -> None:
        tracemalloc.start()
        try:
            for block in (store.create("big"), store.append("big", at=0)):
                with block as writer:
                    for _ in range(_BIG_PIECES):
                        writer.write(_BIG_PIECE)
                    writer.sync()
            with store.open("big") as file:
                pieces = sum(piece == _BIG_PIECE for piece in iter(lambda: file.read(len(_BIG_PIECE)), b""))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert pieces == _BIG_PIECES
        assert peak_bytes < self.memory_limit_bytes

    # Names

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_other_names_are_refused_everywhere(self, store: ArtifactStore, name: str) -> None:
        create(store, "a/b", b"kept")
        with pytest.raises(ArtifactError), store.append(name, at=0):
            pytest.fail("the block ran")
        with pytest.raises(ArtifactError), store.create(name):
            pytest.fail("the block ran")
        for use in (store.open, store.size, store.delete, lambda name: store.read(name, offset=0, length=0)):
            with pytest.raises(ArtifactError, match="not an artifact name"):
                use(name)
        assert list(store.names("")) == ["a/b"]

    @pytest.mark.parametrize(
        "name", ["a", "0", "a.b-c_d", "1/2/3/4/5/6", "x.tmp", "a" * 200, "/".join(["a" * 99] * 10)]
    )
    def test_names_of_the_rule_are_accepted(self, store: ArtifactStore, name: str) -> None:
        create(store, name, b"x")
        append(store, name, b"y", at=1)
        assert list(store.names("")) == [name]
        assert content(store, name) == b"xy"

    def test_names_are_sorted(self, store: ArtifactStore) -> None:
        given = ["b", "a/b", "a.c", "a-d", "a0", "a/a/c", "10", "9", "a_"]
        for name in given:
            create(store, name, b"")
        assert list(store.names("")) == sorted(given)

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("", ["run-1/a", "run-1/b/c", "run-10/a", "top"]),
            ("run-1", ["run-1/a", "run-1/b/c", "run-10/a"]),
            ("run-1/", ["run-1/a", "run-1/b/c"]),
            ("run-1/b", ["run-1/b/c"]),
            ("run-1/b/c", ["run-1/b/c"]),
            ("run-1/b/c/d", []),
            ("top/", []),
            ("none/", []),
            ("../", []),
            ("/", []),
            ("run-1/../", []),
        ],
    )
    def test_names_begin_with_the_prefix(self, store: ArtifactStore, prefix: str, expected: list[str]) -> None:
        for name in ("run-1/a", "run-1/b/c", "run-10/a", "top"):
            create(store, name, b"")
        assert list(store.names(prefix)) == expected

    def test_an_empty_store_has_no_names(self, store: ArtifactStore) -> None:
        assert list(store.names("")) == []

    # Deleting

    def test_a_deleted_object_is_gone(self, store: ArtifactStore, reopen: Callable[[], ArtifactStore]) -> None:
        create(store, "run/a", b"x")
        create(store, "run/b", b"x")
        store.delete("run/a")
        assert list(reopen().names("")) == ["run/b"]
        with pytest.raises(ArtifactNotFoundError):
            store.size("run/a")

    def test_deleting_twice_does_nothing_more(self, store: ArtifactStore) -> None:
        create(store, "run/a", b"x")
        store.delete("run/a")
        store.delete("run/a")
        store.delete("never/was")
        assert list(store.names("")) == []

    def test_a_deleted_name_can_be_used_again(self, store: ArtifactStore) -> None:
        create(store, "a", b"former")
        store.delete("a")
        append(store, "a", b"new", at=0)
        assert content(store, "a") == b"new"

    # Several at once

    def test_threads_write_different_objects(self, store: ArtifactStore) -> None:
        def write(number: int) -> None:
            line = f"{number}\n".encode()
            with store.append(f"run/segment-{number}", at=0) as segment, store.create(f"run/out-{number}") as output:
                for _ in range(500):
                    segment.write(line)
                    output.write(line)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(16)))
        for number in range(16):
            expected = f"{number}\n".encode() * 500
            assert content(store, f"run/segment-{number}") == expected
            assert content(store, f"run/out-{number}") == expected

    def test_threads_that_create_one_object_leave_one_of_theirs(self, store: ArtifactStore) -> None:
        contents = [bytes([65 + number]) * 1_000 for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda data: create(store, "run/a", data), contents))
        assert content(store, "run/a") in contents
        assert list(store.names("")) == ["run/a"]


def append(store: ArtifactStore, name: str, data: bytes, *, at: int) -> None:
    """Append *data* and sync it."""
    with store.append(name, at=at) as writer:
        writer.write(data)
        writer.sync()


def create(store: ArtifactStore, name: str, data: bytes) -> None:
    """Create an object of *data*."""
    with store.create(name) as writer:
        writer.write(data)


def sync_and_fail(block: AbstractContextManager[ArtifactWriter], data: bytes) -> None:
    """Sync *data*, write on, and raise in the block."""
    with block as writer:
        writer.write(data)
        writer.sync()
        writer.write(b", not synced")
        raise _BlockFailedError


def content(store: ArtifactStore, name: str) -> bytes:
    """The whole object."""
    with store.open(name) as file:
        return file.read()
