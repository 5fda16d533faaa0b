"""The third party's storage: installed as users install it, found by its name, and true to the contract."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "batchor-acme"
JOB = [
    "--input", "examples/birdstrikes/birdstrikes.jsonl", "--id-field", "id", "--prompt-field", "species",
    "--model", "gpt-4.1", "--run-id", "strikes",
]  # fmt: skip
IN_THE_LIBRARY = """
from batchor import BatchItem, BatchJob, BatchRunner, OpenAIProviderConfig

job = BatchJob(
    items=[BatchItem("a", "Name the capital of Peru.")],
    build_prompt=lambda item: item.payload,
    provider_config=OpenAIProviderConfig(model="gpt-4.1", poll_interval_s=0.1),
)
with BatchRunner(storage="acme") as runner:
    print(len(runner.run_and_wait(job, run_id="peru").results()))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed, from its sources and without the network."""
    target = tmp_path_factory.mktemp("installed")
    install = ["pip", "install", "--offline", "--no-deps", "--python", sys.executable, "--target", str(target)]
    subprocess.run(
        [sys.executable, "-m", "uv", *install, str(EXAMPLE)], check=True, capture_output=True, text=True, timeout=60
    )
    return target


@pytest.fixture
def run(reader_folder: Path, installed: Path) -> Callable[..., str]:
    """Run a command where the package is installed; what it writes to stdout."""

    def call(*command: str) -> str:
        done = subprocess.run(
            command,
            cwd=reader_folder,
            env={**os.environ, "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_the_command_knows_the_storage_by_its_name_and_by_its_url(run: Callable[..., str], reader_folder: Path) -> None:
    place = ["--storage-url", "acme:///runs"]
    run("batchor", "run", "--sandbox", "--storage", "acme", *place, *JOB)
    assert json.loads(run("batchor", "status", "strikes", *place))["status"] == "completed"
    events = [json.loads(line) for line in (reader_folder / "runs" / "events.jsonl").read_text().splitlines()]
    kept = json.loads(run("batchor", "events", "strikes", *place))["events"]
    assert [event["event"] for event in events] == [event["type"] for event in kept]
    assert events[0]["event"] == "run_created"


def test_without_a_url_the_storage_is_at_its_default_place(run: Callable[..., str], reader_folder: Path) -> None:
    run("batchor", "start", "--sandbox", "--storage", "acme", *JOB)
    assert (reader_folder / "acme" / "state.sqlite3").exists()
    assert json.loads(run("batchor", "status", "strikes", "--storage", "acme"))["run_id"] == "strikes"


def test_the_library_knows_the_storage_by_its_name(run: Callable[..., str], reader_folder: Path) -> None:
    assert run(sys.executable, "-c", IN_THE_LIBRARY) == "1\n"
    assert (reader_folder / "acme" / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_storage_keeps_the_contract(run: Callable[..., str]) -> None:
    # Large slices and crowds of threads are the business of the storage that it wraps, whose own tests have them.
    options = [
        "-c",
        str(REPOSITORY / "pyproject.toml"),
        "-p",
        "no:cacheprovider",
        "-q",
        "-k",
        "not (fifty_thousand or four_threads)",
    ]
    assert " passed" in run(sys.executable, "-m", "pytest", *options, str(EXAMPLE / "tests"))
