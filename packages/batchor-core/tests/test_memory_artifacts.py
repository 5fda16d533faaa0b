import pytest

from batchor_core.adapters.memory_artifacts import MemoryArtifactStore
from batchor_core.errors import ArtifactError, ArtifactNotFoundError, LeaseLostError


@pytest.fixture
def store() -> MemoryArtifactStore:
    return MemoryArtifactStore()


def append(store: MemoryArtifactStore, data: bytes, *, at: int) -> None:
    with store.append("run/a", at=at) as writer:
        writer.write(data)
        writer.sync()


def test_an_object_is_appended_to_and_cut_back(store: MemoryArtifactStore) -> None:
    append(store, b"committed, lost", at=0)
    append(store, b" again", at=9)
    assert store.read("run/a", offset=0, length=15) == b"committed again"


def test_appending_behind_the_end_says_what_was_lost(store: MemoryArtifactStore) -> None:
    append(store, b"abc", at=0)
    with pytest.raises(ArtifactError, match="has 3 bytes, but 5 were stored"), store.append("run/a", at=5):
        pytest.fail("the block ran")


def test_a_created_object_appears_when_its_block_ends(store: MemoryArtifactStore) -> None:
    with store.create("run/a") as writer:
        writer.write(b"abc")
        assert list(store.names("")) == []
    assert list(store.names("run/")) == ["run/a"]


def test_a_writer_that_was_replaced_no_longer_reaches_the_object(store: MemoryArtifactStore) -> None:
    with store.append("run/a", at=0) as asleep:
        asleep.write(b"one,")
        with store.append("run/a", at=4) as successor:
            successor.write(b"two,")
            asleep.write(b"late,")
            with pytest.raises(LeaseLostError, match="artifact 'run/a' was lost to another worker"):
                asleep.sync()
            successor.write(b"three")
            assert successor.sync() == 13
    assert store.read("run/a", offset=0, length=store.size("run/a")) == b"one,two,three"


def test_reading_in_pieces_follows_the_positions_of_a_file(store: MemoryArtifactStore) -> None:
    append(store, b"0123456789", at=0)
    with store.open("run/a") as file:
        assert file.seek(-3, 2) == 7
        assert file.read(2) == b"78"
        assert file.seek(-4, 1) == 5
        assert file.read() == b"56789"
        with pytest.raises(ValueError, match="before the beginning"):
            file.seek(-11, 2)


def test_two_readers_and_a_writer_do_not_disturb_each_other(store: MemoryArtifactStore) -> None:
    append(store, b"one\n", at=0)
    with store.open("run/a") as first, store.open("run/a") as second, store.append("run/a", at=4) as writer:
        assert first.readline() == b"one\n"
        writer.write(b"two\n")
        assert second.read() == b"one\ntwo\n"


def test_a_missing_object_is_not_found(store: MemoryArtifactStore) -> None:
    with pytest.raises(ArtifactNotFoundError, match="'run/a' in memory"):
        store.open("run/a")
