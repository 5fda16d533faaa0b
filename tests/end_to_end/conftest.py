"""What tests of real processes share: a server, and real rows."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from batchor_emulator import EmulatorProcess

DATASET = Path(__file__).parents[2] / "examples" / "birdstrikes" / "birdstrikes.jsonl"


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as process:
        yield process


@pytest.fixture(scope="session")
def first_rows(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A file with so many rows of the birdstrikes."""

    def write(number: int) -> Path:
        path = tmp_path_factory.mktemp("input") / "rows.jsonl"
        with DATASET.open("rb") as rows:
            path.write_bytes(b"".join(islice(rows, number)))
        return path

    return write
