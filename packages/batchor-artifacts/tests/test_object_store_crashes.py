"""Processes that are killed while they write to an object store, and what another process finds."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from batchor_artifacts import ObjectArtifactStore
from batchor_core.errors import ArtifactNotFoundError
from batchor_testkit.artifact_contract import append, content, create

OPEN = """
import os, signal, sys
from batchor_artifacts import ObjectArtifactStore

store = ObjectArtifactStore(sys.argv[1], part_bytes=1_000)

def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
"""
CREATE = """
with store.create("run/a") as writer:
    writer.write(b"new" * 1_000)
"""
APPEND = """
with store.append("run/a", at=9) as writer:
    writer.write(b" second")
    writer.sync()
    writer.write(b" third" * 1_000)
"""


@pytest.fixture
def url(make_bucket: Callable[[], str]) -> str:
    return f"s3://{make_bucket()}/prefix"


@pytest.fixture
def store(url: str) -> ObjectArtifactStore:
    return ObjectArtifactStore(url)


def run_and_kill(code: str, url: str, *, failpoint: str = "") -> None:
    environment = os.environ | ({"BATCHOR_FAILPOINT": f"{failpoint}:kill"} if failpoint else {})
    command = [sys.executable, "-c", OPEN + code, url]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.parametrize("place", ["part.put.before:1", "part.put.after:2", "marker.put.before:1"])
def test_a_create_that_is_killed_before_its_end_leaves_the_former_object(
    store: ObjectArtifactStore, url: str, place: str
) -> None:
    create(store, "run/a", b"former")
    run_and_kill(CREATE, url, failpoint=f"artifact.{place}")
    assert content(store, "run/a") == b"former"


def test_a_create_that_is_killed_in_its_block_leaves_no_object(store: ObjectArtifactStore, url: str) -> None:
    run_and_kill(CREATE + "    writer.sync()\n    die()", url)
    assert list(store.names("")) == []
    with pytest.raises(ArtifactNotFoundError):
        store.size("run/a")


def test_a_create_that_is_killed_behind_its_marker_leaves_the_whole_object(
    store: ObjectArtifactStore, url: str
) -> None:
    create(store, "run/a", b"former")
    run_and_kill(CREATE, url, failpoint="artifact.marker.put.after:1")
    assert content(store, "run/a") == b"new" * 1_000


def test_an_append_that_is_killed_keeps_what_was_synced(store: ObjectArtifactStore, url: str) -> None:
    create(store, "run/a", b"committed, lost")
    run_and_kill(APPEND + "    die()", url)
    assert content(store, "run/a").startswith(b"committed second")
    append(store, "run/a", b" and on", at=16)
    assert content(store, "run/a") == b"committed second and on"


@pytest.mark.parametrize(
    "place", ["part.keep.before:1", "part.keep.after:1", "marker.put.before:1", "marker.put.after:1"]
)
def test_an_append_that_is_killed_while_it_begins_loses_nothing(
    store: ObjectArtifactStore, url: str, place: str
) -> None:
    create(store, "run/a", b"committed, and more")
    run_and_kill(APPEND, url, failpoint=f"artifact.{place}")
    assert content(store, "run/a") in (b"committed", b"committed, and more")
    append(store, "run/a", b" and on", at=9)
    assert content(store, "run/a") == b"committed and on"


def test_a_deletion_that_is_killed_leaves_a_name_that_can_be_deleted_again(
    store: ObjectArtifactStore, url: str
) -> None:
    create(store, "run/a", b"x")
    run_and_kill("store.delete('run/a')", url, failpoint="artifact.delete.parts.after:1")
    assert list(store.names("")) == ["run/a"]
    store.delete("run/a")
    assert list(store.names("")) == []
