"""From single measurements to medians and ratios."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.cases import FLOOR, Case
from benchmarks.meter import INGEST, PHASES, SUBMIT, WAIT

BOTH = f"{INGEST} + {SUBMIT}"
"""The two phases that are judged as one: the floor encodes requests in one of them, batchor in the other."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one case."""

    case: Case
    rows: int
    repetition: int
    report: dict[str, Any]
    load: float
    """Of the machine, over the last minute, as the run began."""
    response_bytes: int

    def cpu_us(self, phase: str) -> float:
        """CPU µs a row of one phase, or of `BOTH`."""
        if phase == BOTH:
            return self.cpu_us(INGEST) + self.cpu_us(SUBMIT)
        cost = self.report["phases"].get(phase)
        return 0.0 if cost is None else float(cost["cpu_s"]) / self.rows * 1e6

    @property
    def total_us(self) -> float:
        """CPU µs a row of the whole process, its start included and the wait for an emulator left out."""
        return sum(self.cpu_us(phase) for phase in self.report["phases"] if phase != WAIT)

    @property
    def wall_s(self) -> float:
        return sum(float(cost["wall_s"]) for phase, cost in self.report["phases"].items() if phase != WAIT)

    @property
    def written_ratio(self) -> float:
        """Bytes given to `write`, over those of requests and responses."""
        written = sum(cost["written_bytes"] for cost in self.report["phases"].values())
        return float(written / (self.report["request_bytes"] + self.response_bytes))


@dataclass(slots=True)
class Figures:
    """Medians of all repetitions of one case at one size; ratios are medians of each repetition's own ratio."""

    case: Case
    rows: int
    phases_us: dict[str, float] = field(default_factory=dict)
    phase_ratios: dict[str, float] = field(default_factory=dict)
    total_us: float = 0.0
    total_ratio: float = 0.0
    spread: float = 0.0
    """The dearest repetition over the cheapest: how noisy the machine was."""
    wall_s: float = 0.0
    peak_rss_mb: float = 0.0
    written_ratio: float = 0.0
    facts: dict[str, float] = field(default_factory=dict)


def figures_of(measurements: Sequence[Measurement]) -> list[Figures]:
    """The figures of each case and size, in the order in which they were measured."""
    groups: dict[tuple[int, Case], list[Measurement]] = {}
    for measured in measurements:
        groups.setdefault((measured.rows, measured.case), []).append(measured)
    return [_figures(group, _floors(groups, group[0])) for group in groups.values()]


def _floors(groups: dict[tuple[int, Case], list[Measurement]], measured: Measurement) -> list[Measurement]:
    pairs = groups.items()
    of_kind = (
        group
        for (rows, case), group in pairs
        if case.subject == FLOOR and rows == measured.rows and case.structured == measured.case.structured
    )
    return next(of_kind, [])


def _figures(group: list[Measurement], floors: list[Measurement]) -> Figures:
    first = group[0]
    totals = [measured.total_us for measured in group]
    figures = Figures(first.case, first.rows, total_us=median(totals), spread=max(totals) / min(totals))
    figures.phases_us = {phase: median(measured.cpu_us(phase) for measured in group) for phase in (*PHASES, BOTH)}
    figures.wall_s = median(measured.wall_s for measured in group)
    figures.peak_rss_mb = max(measured.report["peak_rss_mb"] for measured in group)
    figures.written_ratio = median(measured.written_ratio for measured in group)
    figures.facts = dict(_facts(group))
    pairs = list(zip(group, floors, strict=False))
    if pairs and first.case.subject != FLOOR:
        figures.total_ratio = median(one.total_us / floor.total_us for one, floor in pairs)
        figures.phase_ratios = {
            phase: median(one.cpu_us(phase) / max(floor.cpu_us(phase), 1e-9) for one, floor in pairs)
            for phase in (*PHASES, BOTH)
        }
    return figures


def _facts(group: list[Measurement]) -> Iterator[tuple[str, float]]:
    """What only batchor's process tells."""
    rows, first = group[0].rows, group[0].report
    if "database_bytes" in first:
        yield "database bytes a row", first["database_bytes"] / rows
    if "text_bytes" in first:
        yield "without result texts", (first["database_bytes"] - first["text_bytes"]) / rows
    if "status_ms" in first:
        yield "status, CPU ms", median(measured.report["status_ms"] for measured in group)
        claims = [measured.report["claims_ms"] for measured in group]
        yield "first claims, CPU ms", median(claim for each in claims for claim in each[:3])
        yield "last claims, CPU ms", median(claim for each in claims for claim in each[-3:])
