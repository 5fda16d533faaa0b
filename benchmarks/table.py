"""The figures as text."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import BOTH, Figures
from benchmarks.limits import Limit
from benchmarks.meter import PHASES

_FIRST, _CELL = 22, 22


def tables(figures: Sequence[Figures]) -> Iterator[str]:
    """A table for each size and kind: CPU µs a row, and beside it the ratio to the floor."""
    for rows, structured in dict.fromkeys((each.rows, each.case.structured) for each in figures):
        group = [each for each in figures if (each.rows, each.case.structured) == (rows, structured)]
        yield f"\n{rows:,} rows, {group[0].case.kind}: CPU µs a row (x floor)"
        yield _line("", *(each.case.name for each in group))
        for phase in (*PHASES, BOTH):
            yield _line(phase, *(_us(each.phases_us[phase], each.phase_ratios.get(phase)) for each in group))
        yield _line("total", *(_us(each.total_us, each.total_ratio) for each in group))
        yield _line("spread of totals", *(f"{each.spread:.2f}" for each in group))
        yield _line("wall s", *(f"{each.wall_s:.2f}" for each in group))
        yield _line("peak RSS MB", *(f"{each.peak_rss_mb:.0f}" for each in group))
        yield _line("written / payload", *(f"{each.written_ratio:.2f}" for each in group))
        for fact in dict.fromkeys(name for each in group for name in each.facts):
            cells = (f"{each.facts[fact]:.2f}" if fact in each.facts else "" for each in group)
            yield _line(fact, *cells)


def limit_table(limits: Sequence[Limit]) -> Iterator[str]:
    """A line for each limit."""
    yield "\nlimits"
    for each in limits:
        verdict = "held" if each.is_held else "NOT HELD"
        yield f"{each.name:<50}{each.figure:>9.2f}  limit {each.limit:>6.2f}  {verdict:<9}{each.at}".rstrip()


def _us(value: float, ratio: float | None) -> str:
    return f"{value:.2f} ({ratio:.2f} x)" if ratio else f"{value:.2f}"


def _line(name: str, *cells: str) -> str:
    return name.ljust(_FIRST) + "".join(cell.rjust(_CELL) for cell in cells)
