"""How the emulator is tuned: how long things take, and how large they may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from batchor_emulator.faults.profile import FaultProfile


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a batch stays in each state. All values are seconds.

    The run of a batch of *n* requests takes `run_s + n * row_s`, spread evenly over its requests.
    """

    validation_s: float = 0.05
    run_s: float = 0.1
    row_s: float = 0.0
    finalizing_s: float = 0.05
    cancelling_s: float = 0.05
    completion_window_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The published limits of the Batch API; a rehearsal may lower them."""

    max_requests: int = 50_000
    max_file_bytes: int = 200_000_000
    max_embedding_inputs: int = 50_000
    max_line_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a server needs to know before it starts."""

    state_dir: Path
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)
    worker_count: int = 2
    faults: FaultProfile = field(default_factory=FaultProfile)
