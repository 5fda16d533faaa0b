"""What was measured, as tables: from the newest file in `benchmarks/results/`."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from markdown_table import table

_RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
_FACTS = (
    "database bytes a row",
    "without result texts",
    "status, CPU ms",
    "first claims, CPU ms",
    "last claims, CPU ms",
)


@cache
def newest() -> Mapping[str, Any]:
    """The results that were measured last."""
    return max((json.loads(path.read_text()) for path in _RESULTS.glob("*.json")), key=lambda found: found["date"])


def conditions() -> str:
    """Of what, when and on which machine."""
    found = newest()
    machine, repetitions = found["machine"], found["repetitions"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items() if name != "batchor")
    times = "once" if repetitions == 1 else f"{repetitions} times"
    return (
        f"batchor {found['version']}, measured on {found['date']}, each case {times}: {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}, "
        f"SQLite {machine['sqlite']}, {libraries}."
    )


def cpu_a_row() -> str:
    """For each size and kind: CPU µs a row of each phase, and beside it the ratio to the floor."""
    figures = newest()["figures"]
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for each in figures:
        groups.setdefault((each["rows"], _kind(each)), []).append(each)
    return "\n\n".join(
        f"### {rows:,} rows, {kind}\n\n{_cpu_table(group)}"
        for (rows, kind), group in sorted(groups.items(), reverse=True)
    )


def _cpu_table(group: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (phase, *(_us(each["phases_us"][phase], each["phase_ratios"].get(phase)) for each in group))
        for phase in group[0]["phases_us"]
    ]
    totals = ("**total**", *(f"**{_us(each['total_us'], each['total_ratio'])}**" for each in group))
    return table(("CPU µs a row", *(_name(each) for each in group)), [*rows, totals])


def memory_and_bytes() -> str:
    """For each case and size: memory, time, bytes, and what looks and claims take."""
    heads = ("rows", "kind", "case", "peak RSS, MB", "wall s", "spread", "written / payload", *_FACTS)
    return table(heads, [_sizes(each) for each in newest()["figures"]])


def _sizes(figures: Mapping[str, Any]) -> list[str]:
    facts = (figures["facts"].get(name) for name in _FACTS)
    return [
        f"{figures['rows']:,}",
        _kind(figures),
        _name(figures),
        f"{figures['peak_rss_mb']:.0f}",
        f"{figures['wall_s']:.1f}",
        f"{figures['spread']:.2f}",
        f"{figures['written_ratio']:.2f}",
        *("" if fact is None else f"{fact:.2f}" for fact in facts),
    ]


def beside_the_pipeline() -> str:
    """Start-up, tokens and transfers."""
    return table(("measured", "figure"), [(name, f"{value:,.2f}") for name, value in newest()["sides"].items()])


def limits() -> str:
    """Each limit beside its figure."""
    rows = [
        (
            each["name"],
            f"{each['figure']:.2f}",
            f"{each['limit']:g}",
            "yes" if each["is_held"] else "**no**",
            each["at"],
        )
        for each in newest()["limits"]
    ]
    return table(("what", "figure", "limit", "held", "the worst at"), rows)


def _name(figures: Mapping[str, Any]) -> str:
    case = figures["case"]
    return "floor" if case["subject"] == "floor" else f"{case['storage']}, {case['subject']}"


def _kind(figures: Mapping[str, Any]) -> str:
    return "structured" if figures["case"]["structured"] else "text"


def _us(value: float, ratio: float | None) -> str:
    return f"{value:.2f} ({ratio:.2f} x)" if ratio else f"{value:.2f}"


GENERATORS: Mapping[str, Callable[[], str]] = {
    "measured: conditions": conditions,
    "measured: cpu a row": cpu_a_row,
    "measured: memory and bytes": memory_and_bytes,
    "measured: beside the pipeline": beside_the_pipeline,
    "measured: limits": limits,
}
