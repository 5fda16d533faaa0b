"""The real command, as a child process, in a folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batchor_emulator import EmulatorProcess

COMMAND = str(Path(sys.executable).with_name("batchor"))
_BIRDSTRIKES = Path(__file__).parents[3] / "examples" / "birdstrikes" / "birdstrikes.jsonl"
_QUICK = ("--validation-s=0.01", "--run-s=0.02", "--finalizing-s=0.01")
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        loaded: dict[str, Any] = json.loads(self.stdout)
        return loaded

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass
class CommandLine:
    """Runs `batchor` in *folder*, with nothing of this process's settings and keys."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Finished:
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def begin(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """A command that is not waited for."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        # Without the last one, modules are compiled once, and not for each of a hundred commands.
        left_out = ("BATCHOR_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        return {**inherited, "XDG_DATA_HOME": str(self.folder / "data"), **self.env, **(more or {})}


@pytest.fixture(scope="session")
def command_line() -> type[CommandLine]:
    """The command, for a folder of the test's own."""
    return CommandLine


@pytest.fixture
def batchor(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
def at_emulator(batchor: CommandLine, emulator: EmulatorProcess) -> CommandLine:
    """The command, with an emulator for its provider."""
    batchor.env = {"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any"}
    return batchor


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(arguments=_QUICK) as process:
        yield process


@pytest.fixture(scope="session")
def slow_emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(arguments=["--run-s=3600"]) as process:
        yield process


@pytest.fixture(scope="session")
def open_run(
    slow_emulator: EmulatorProcess, strikes: Path, options: "JobArguments", tmp_path_factory: pytest.TempPathFactory
) -> CommandLine:
    """The command in a folder that stores the run "open-run": 20 items that stay open, and "faulty" which failed."""
    batchor = CommandLine(tmp_path_factory.mktemp("open"))
    batchor.env = {"OPENAI_BASE_URL": slow_emulator.base_url, "OPENAI_API_KEY": "any"}
    rows = first_rows(strikes, 20, batchor.folder / "rows.jsonl")
    with rows.open("a") as file:
        file.write('{"id": "faulty"}\n')
    started = batchor("start", *options(Path("rows.jsonl"), "--run-id", "open-run", "--on-prompt-error", "fail_item"))
    assert started.code == 0, started.stderr
    return batchor


@pytest.fixture(scope="session")
def strikes() -> Path:
    """A file of bird strikes at aircraft."""
    return _BIRDSTRIKES


@pytest.fixture(scope="session")
def twenty(strikes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 20 rows."""
    return first_rows(strikes, 20, tmp_path_factory.mktemp("input") / "twenty.jsonl")


@pytest.fixture(scope="session")
def two_thousand(strikes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 2,000 rows."""
    return first_rows(strikes, 2_000, tmp_path_factory.mktemp("input") / "two_thousand.jsonl")


@pytest.fixture(scope="session")
def options() -> "JobArguments":
    return JobArguments()


class JobArguments:
    """The arguments of `start` and `run`."""

    def __call__(self, rows: Path, *more: str) -> list[str]:
        plain = ["--input", str(rows), "--id-field", "id", "--model", "gpt-4.1", "--poll-interval-s", "0.1"]
        prompt = [] if any(each.startswith("--prompt-") for each in more) else ["--prompt-field", "species"]
        return [*plain, *prompt, *more]


def first_rows(source: Path, count: int, target: Path) -> Path:
    with source.open("rb") as rows:
        target.write_bytes(b"".join(line for _, line in zip(range(count), rows, strict=False)))
    return target
