"""What each figure may be at most, and whether it was."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.cases import FLOOR, LINKED, POSTGRES, SQLITE
from benchmarks.figures import BOTH, Figures
from benchmarks.meter import COLLECT, EXPORT, READ

FROM_ROWS = 1_000_000
"""Ratios to the floor are judged from here on: with fewer rows, the start of the interpreter counts for much."""
_SMALL_ROWS = 100_000
"""Growth is judged beside this."""

_TOTALS = {"text": 1.3, "structured": 1.5}
_PHASES = (BOTH, COLLECT, READ, EXPORT)
"""Without the start, which has a limit of its own, and the end, which is nothing a row."""
_GROWTHS = ((1_000_000, 1.1), (10_000_000, 1.15))
_SIDES = (
    ("counting the tokens of 1,000,000 prompts, CPU s", 8.0),
    ("import batchor above python, CPU ms", 60.0),
    ("batchor --help over import typer, ratio", 1.5),
    ("upload of 1 x 200 MB, RSS added in MB", 20.0),
    ("download of 1 x 200 MB, RSS added in MB", 20.0),
)


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure beside what it may be; of several sizes and cases the worst, and `at` says which."""

    name: str
    at: str
    figure: float
    limit: float

    @property
    def is_held(self) -> bool:
        return self.figure <= self.limit


def limits_of(figures: Sequence[Figures], sides: Mapping[str, float]) -> list[Limit]:
    """Every limit of which the figure was measured."""
    measured = [each for each in figures if each.case.subject != FLOOR]
    linked = [each for each in measured if each.case.subject == LINKED]
    return [
        *_ratios([each for each in linked if each.rows >= FROM_ROWS]),
        *_growths(linked),
        *_sizes(measured, linked),
        *(Limit(name, "", sides[name], limit) for name, limit in _SIDES if name in sides),
    ]


def _ratios(linked: Sequence[Figures]) -> Iterator[Limit]:
    """CPU beside the floor's; the floor keeps its rows in SQLite, whatever batchor does."""
    for kind, limit in _TOTALS.items():
        of_kind = [each for each in linked if (each.case.storage, each.case.kind) == (SQLITE, kind)]
        yield from _worst(f"CPU over floor, {kind}", limit, of_kind, lambda each: each.total_ratio)
        for phase in _PHASES:
            yield from _worst(f"{phase} over floor, {kind}", 2.0, of_kind, partial(_phase_ratio, phase=phase))
    on_postgres = [each for each in linked if each.case.storage == POSTGRES]
    yield from _worst("CPU over floor, PostgreSQL's client", 1.5, on_postgres, lambda each: each.total_ratio)


def _phase_ratio(figures: Figures, *, phase: str) -> float | None:
    return figures.phase_ratios.get(phase)


def _growths(linked: Sequence[Figures]) -> Iterator[Limit]:
    """CPU a row, beside that of a smaller run."""
    small = {each.case: each.total_us for each in linked if each.rows == _SMALL_ROWS}
    for rows, limit in _GROWTHS:
        large = [each for each in linked if each.rows == rows and each.case in small]
        name = f"CPU a row, {rows:,} rows over {_SMALL_ROWS:,}"
        yield from _worst(name, limit, large, lambda each: each.total_us / small[each.case])


def _sizes(measured: Sequence[Figures], linked: Sequence[Figures]) -> Iterator[Limit]:
    yield from _worst("peak RSS, MB", 200.0, measured, lambda each: each.peak_rss_mb)
    name = "database bytes a row without result texts"
    yield from _worst(name, 300.0, measured, lambda each: each.facts.get("without result texts"))
    # Over HTTP the uploads are written to a socket as well.
    yield from _worst("written / payload", 3.5, linked, lambda each: each.written_ratio)
    yield from _worst("status, CPU ms", 5.0, measured, lambda each: each.facts.get("status, CPU ms"))


def _worst(
    name: str, limit: float, among: Sequence[Figures], figure_of: Callable[[Figures], float | None]
) -> Iterator[Limit]:
    found = [(figure, each) for each in among if (figure := figure_of(each)) is not None]
    if found:
        figure, worst = max(found, key=lambda pair: pair[0])
        yield Limit(name, f"{worst.case.name}, {worst.case.kind}, {worst.rows:,} rows", figure, limit)
