"""What is measured beside the pipeline: start-up, tokens, transfers. CPU of child processes, medians."""

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

from batchor_emulator import EmulatorProcess
from benchmarks.cases import run_module
from benchmarks.workload import prepare

_STARTS = 11
_TRANSFER_MB = 200
_PARALLEL = 8


def measure_sides(work_dir: Path, *, prompts: int) -> dict[str, float]:
    """Each by its name and unit; token counting over *prompts* prompts."""
    return {**_start_up(), **_tokens(work_dir, prompts=prompts), **_transfers(work_dir)}


def _start_up() -> dict[str, float]:
    command = str(Path(sys.executable).with_name("batchor"))
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import batchor": [sys.executable, "-c", "import batchor"],
        "import typer": [sys.executable, "-c", "import typer"],
        "batchor --help": [sys.executable, command, "--help"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_STARTS):
        for name, arguments in commands.items():
            taken[name].append(_cpu_ms(arguments))
    medians = {name: median(values) for name, values in taken.items()}
    return {
        **{f"{name}, CPU ms": value for name, value in medians.items()},
        "import batchor above python, CPU ms": medians["import batchor"] - medians["python"],
        "batchor --help over import typer, ratio": medians["batchor --help"] / medians["import typer"],
    }


def _cpu_ms(command: list[str]) -> float:
    before = _children_s()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (_children_s() - before) * 1e3


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tokens(work_dir: Path, *, prompts: int) -> dict[str, float]:
    workload = prepare(work_dir, rows=prompts, structured=False)
    report = run_module("benchmarks.count_tokens", str(workload.input_path))
    return {f"counting the tokens of {prompts:,} prompts, CPU s": report["cpu_s"]}


def _transfers(work_dir: Path) -> dict[str, float]:
    named: dict[str, float] = {}
    for parallel in (1, _PARALLEL):
        with EmulatorProcess() as emulator:
            report = run_module(
                "benchmarks.transfer", emulator.base_url, str(work_dir), str(_TRANSFER_MB), str(parallel)
            )
        for way in ("upload", "download"):
            named[f"{way} of {parallel} x {_TRANSFER_MB} MB, RSS added in MB"] = report[f"{way}_mb"]
            named[f"{way} of {parallel} x {_TRANSFER_MB} MB, CPU s"] = report[f"{way}_cpu_s"]
    return named
