"""Where batchor's time goes, phase by phase: cProfile around one run, one batch at a time so that it sees all of it.

The same arguments as `benchmarks.pipeline`, with `--lines` functions a phase. Times are those of a profiled
process, about twice the real ones, and more for functions that are short: what they tell is the order.
"""

import cProfile
import pstats
import sys
from dataclasses import dataclass, field

from benchmarks.meter import END, START, WAIT, Meter
from benchmarks.pipeline import measure, parser

_UNPROFILED = ("", START, WAIT, END)


@dataclass(slots=True)
class ProfilingMeter(Meter):
    """Also keeps a profile of each phase."""

    profiles: dict[str, cProfile.Profile] = field(default_factory=dict)
    running: cProfile.Profile | None = None

    def enter(self, phase: str) -> None:
        if self.running is not None:
            self.running.disable()
        Meter.enter(self, phase)
        self.running = None if phase in _UNPROFILED else self.profiles.setdefault(phase, cProfile.Profile())
        if self.running is not None:
            self.running.enable()


def main() -> None:
    arguments = parser()
    arguments.add_argument("--lines", type=int, default=20)
    arguments.set_defaults(concurrency=1)
    options, meter = arguments.parse_args(), ProfilingMeter()
    measure(options, meter)
    for phase, profile in meter.profiles.items():
        print(f"\n\n== {phase}")
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(options.lines)


if __name__ == "__main__":
    main()
