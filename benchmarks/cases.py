"""What is measured against what, each time in a process of its own."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchor_emulator import EmulatorProcess
from benchmarks.workload import Workload

FLOOR, LINKED, HTTP = "floor", "in-process", "http"
SQLITE, POSTGRES = "sqlite", "postgres"


@dataclass(frozen=True, slots=True)
class Case:
    """One way through the work: the floor, or batchor on a database with a provider."""

    subject: str
    storage: str
    structured: bool

    @property
    def kind(self) -> str:
        return "structured" if self.structured else "text"

    @property
    def name(self) -> str:
        return FLOOR if self.subject == FLOOR else f"{self.storage}, {self.subject}"


def cases_of(*, subjects: Sequence[str], kinds: Sequence[str], postgres: bool) -> list[Case]:
    """The floor first, then what is compared with it."""
    cases = []
    for structured in (kind == "structured" for kind in kinds):
        cases.append(Case(FLOOR, SQLITE, structured))
        storages = (SQLITE, POSTGRES) if postgres else (SQLITE,)
        cases += [Case(subject, storage, structured) for storage in storages for subject in subjects]
    return cases


def measure_case(case: Case, workload: Workload, *, work_dir: Path, postgres: str | None) -> dict[str, Any]:
    """Run *case* once in a fresh process and folder; what it reported."""
    with tempfile.TemporaryDirectory(dir=work_dir) as folder, _server(case) as server:
        arguments = [str(workload.input_path), str(workload.outputs), case.kind, folder, *server]
        if case.subject == FLOOR:
            return run_module("benchmarks.floor", *arguments)
        if case.storage == SQLITE:
            return run_module("benchmarks.pipeline", *arguments)
        from benchmarks.postgres_database import new_database, size_bytes

        with new_database(postgres or "") as url:
            report = run_module("benchmarks.pipeline", *arguments, "--postgres", url)
            return report | {"database_bytes": size_bytes(url)}


def run_module(module: str, *arguments: str) -> dict[str, Any]:
    """The JSON that `python -m module` prints."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@contextmanager
def _server(case: Case) -> Generator[list[str]]:
    if case.subject != HTTP:
        yield []
        return
    with EmulatorProcess() as emulator:
        yield ["--base-url", emulator.base_url]
        # Two million answers are some gigabytes: gone before the next case writes its own.
        emulator.stop()
        shutil.rmtree(emulator.state_dir, ignore_errors=True)
