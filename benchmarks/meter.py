"""What a process has used up, phase by phase."""

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

START, INGEST, SUBMIT, WAIT, COLLECT, READ, EXPORT, END = (
    "start",
    "ingest",
    "submit",
    "provider works",
    "poll + collect",
    "read results",
    "export",
    "end",
)
PHASES = (START, INGEST, SUBMIT, COLLECT, READ, EXPORT, END)
"""In their order; waiting for the emulator is counted apart, for it is no work of the pipeline."""


@dataclass(slots=True)
class PhaseCost:
    """What one phase took: CPU of this process alone (user and system, all threads), wall time, bytes given to `write`."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    written_bytes: int = 0
    peak_rss_mb: float = 0.0


@dataclass(slots=True)
class Meter:
    """Splits the cost of this process among phases; begins in `START`, with the CPU of the interpreter's own start."""

    costs: dict[str, PhaseCost] = field(default_factory=dict)
    _phase: str = START
    _cpu_s: float = 0.0
    _wall_s: float = field(default_factory=time.perf_counter)
    _written: int = 0

    def enter(self, phase: str) -> None:
        """End the present phase, and begin *phase* or go on with it."""
        if phase == self._phase:
            return
        cpu_s, wall_s, written = time.process_time(), time.perf_counter(), _written_bytes()
        cost = self.costs.setdefault(self._phase, PhaseCost())
        cost.cpu_s += cpu_s - self._cpu_s
        cost.wall_s += wall_s - self._wall_s
        cost.written_bytes += written - self._written
        cost.peak_rss_mb = max(cost.peak_rss_mb, peak_rss_mb())
        self._phase, self._cpu_s, self._wall_s, self._written = phase, cpu_s, wall_s, written

    def report(self, **facts: Any) -> None:
        """Print the costs so far, and *facts*, as one line of JSON."""
        costs = {phase: asdict(cost) for phase, cost in self.costs.items() if phase}
        json.dump({"phases": costs, "peak_rss_mb": peak_rss_mb(), **facts}, sys.stdout)


def peak_rss_mb() -> float:
    """The most memory that this process had, in MB.

    Not `ru_maxrss`: that begins with what the parent had when it forked.
    """
    return _proc_number("status", "VmHWM:") / 1024


def _written_bytes() -> int:
    return _proc_number("io", "wchar:")


def _proc_number(file: str, name: str) -> int:
    lines = Path("/proc/self", file).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
