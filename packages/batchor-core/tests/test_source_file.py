import os
import time
from pathlib import Path

import pytest

from batchor_core.adapters.source_file import fingerprint, open_source_file
from batchor_core.errors import SourceError

MIB = 1 << 20
WHOLE_BYTES = 64 * MIB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


def changed_at(path: Path, offset: int) -> str:
    """The fingerprint after one byte was changed."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"X")
    return fingerprint(path)


def test_equal_content_has_an_equal_fingerprint(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"same")
    copy = tmp_path / "copy"
    copy.write_bytes(b"same")
    os.utime(copy, (0, 0))
    assert fingerprint(path) == fingerprint(copy)


def test_the_fingerprint_begins_with_the_size(path: Path) -> None:
    path.write_bytes(b"12345")
    assert fingerprint(path).startswith("5-")


def test_more_content_has_another_fingerprint(path: Path) -> None:
    path.write_bytes(b"12345\n")
    before = fingerprint(path)
    path.write_bytes(b"12345\n\n")
    assert fingerprint(path) != before


@pytest.mark.parametrize("offset", [0, MIB, WHOLE_BYTES // 2, WHOLE_BYTES - 1])
def test_every_byte_of_a_file_up_to_64_mib_counts(path: Path, offset: int) -> None:
    path.touch()
    os.truncate(path, WHOLE_BYTES)
    before = fingerprint(path)
    assert changed_at(path, offset) != before


@pytest.mark.parametrize("offset", [0, 16 * MIB - 1, 84 * MIB, 100 * MIB - 1])
def test_the_first_and_the_last_16_mib_of_a_large_file_count(path: Path, offset: int) -> None:
    path.touch()
    os.truncate(path, 100 * MIB)
    before = fingerprint(path)
    assert changed_at(path, offset) != before


def test_512_blocks_in_between_count(path: Path) -> None:
    path.touch()
    os.truncate(path, 1024 * MIB)
    before = fingerprint(path)
    # As long as the distance from one block to the next: wherever it lies, it meets one.
    with path.open("r+b") as file:
        file.seek(500 * MIB)
        file.write(b"X" * (992 * MIB // 512))
    assert fingerprint(path) != before


def test_a_file_of_100_gb_costs_no_more_than_64_mib(path: Path) -> None:
    path.touch()
    os.truncate(path, 100_000_000_000)
    began = time.process_time()
    assert fingerprint(path).startswith("100000000000-")
    assert time.process_time() - began < 2


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"{tmp_path} is a directory; give the path of a file"):
        open_source_file(tmp_path)


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*items\.jsonl; correct the path"):
        open_source_file(path)


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(SourceError, match="not a regular file"):
        open_source_file(path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000])
def test_an_impossible_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="correct"):
        open_source_file(tmp_path / name)
