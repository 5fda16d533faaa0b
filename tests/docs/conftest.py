"""A folder such as a reader's, and an emulator where the reader has OpenAI."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchor_emulator import EmulatorProcess
from batchor_openai import OpenAIProviderConfig

REPOSITORY = Path(__file__).parents[2]
STRIKES = Path("examples/birdstrikes/birdstrikes.jsonl")
ROWS = 40
"""So many rows of the example are enough to show what a page shows."""


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as running:
        yield running


@pytest.fixture
def reader_folder(emulator: EmulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a few rows of the example, the commands on the path, a key, and a data folder of its own."""
    folder = tmp_path / "clone"
    (folder / STRIKES).parent.mkdir(parents=True)
    with (REPOSITORY / STRIKES).open() as rows:
        (folder / STRIKES).write_text("".join(next(rows) for _ in range(ROWS)))
    shutil.copy(REPOSITORY / STRIKES.parent / "classify.py", folder / STRIKES.parent)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for home in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(home, str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("OPENAI_BASE_URL", emulator.base_url)
    shorten_waits(monkeypatch)
    return folder


def shorten_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at batches several times a second, and replace dead workers soon: pages show the defaults, for real work."""
    monkeypatch.setenv("BATCHOR_POLL_INTERVAL_S", "0.1")
    monkeypatch.setenv("BATCHOR_LEASE_TTL_S", "2")
    defaults = OpenAIProviderConfig.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "poll_interval_s", 0.1)
