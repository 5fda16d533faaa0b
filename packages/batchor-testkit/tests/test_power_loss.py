from typing import ClassVar

import pytest

from batchor_core.adapters.memory_artifacts import MemoryArtifactStore
from batchor_core.errors import ArtifactNotFoundError
from batchor_testkit.artifact_contract import ArtifactStoreContract
from batchor_testkit.power_loss import PowerLossArtifacts

NAME = "run/requests.jsonl"
SEEDS = range(40)


class TestPowerLossArtifacts(ArtifactStoreContract):
    # It keeps a copy of what is durable beside the objects of the store in memory.
    memory_limit_bytes: ClassVar[int] = 192 << 20

    @pytest.fixture
    def store(self) -> PowerLossArtifacts:
        return PowerLossArtifacts(MemoryArtifactStore())


def content(store: PowerLossArtifacts, name: str = NAME) -> bytes | None:
    try:
        return store.read(name, offset=0, length=store.size(name))
    except ArtifactNotFoundError:
        return None


def left_of(write: str, seed: int) -> bytes | None:
    """What a power loss leaves of an object: `s` writes and syncs 4 bytes, `w` only writes, `d` deletes."""
    store = PowerLossArtifacts(MemoryArtifactStore(), seed=seed)
    with store.append(NAME, at=0) as writer:
        for number, step in enumerate(write.rstrip("d")):
            writer.write(bytes([65 + number]) * 4)
            if step == "s":
                writer.sync()
    if write.endswith("d"):
        store.delete(NAME)
    store.lose_power()
    return content(store)


def test_what_was_synced_is_left_and_the_rest_may_be_lost_torn_or_zeros() -> None:
    left = {left_of("sw", seed) for seed in SEEDS}
    assert all(each is not None and each[:4] == b"AAAA" for each in left)
    assert {b"AAAA", b"AAAABB", b"AAAA\0\0\0\0"} <= left


def test_an_object_that_was_never_synced_may_be_gone() -> None:
    assert {None, b""} <= {left_of("w", seed) for seed in SEEDS}


def test_a_deleted_object_may_be_there_again() -> None:
    assert {left_of("sd", seed) for seed in SEEDS} == {None, b"AAAA"}


def test_a_created_object_is_left_whole() -> None:
    store = PowerLossArtifacts(MemoryArtifactStore())
    with store.create(NAME) as writer:
        writer.write(b"whole")
    store.lose_power()
    assert content(store) == b"whole"


def test_of_a_creation_that_was_not_finished_the_former_object_is_left() -> None:
    store = PowerLossArtifacts(MemoryArtifactStore())
    with store.create(NAME) as writer:
        writer.write(b"former")
    with store.create(NAME) as writer:
        writer.write(b"new")
        store.lose_power()
        assert content(store) == b"former"


def test_an_object_that_was_begun_anew_is_the_former_or_a_part_of_the_new_one() -> None:
    left = set()
    for seed in SEEDS:
        store = PowerLossArtifacts(MemoryArtifactStore(), seed=seed)
        with store.append(NAME, at=0) as writer:
            writer.write(b"former")
            writer.sync()
        with store.append(NAME, at=0) as writer:
            writer.write(b"new")
        store.lose_power()
        left.add(content(store))
    assert {b"former", b"n"} <= left


def test_what_is_left_is_durable_from_then_on() -> None:
    store = PowerLossArtifacts(MemoryArtifactStore(), seed=3)
    with store.append(NAME, at=0) as writer:
        writer.write(b"abcdef")
        writer.sync()
        writer.write(b"ghijkl")
    store.lose_power()
    left = content(store)
    store.lose_power()
    assert content(store) == left
