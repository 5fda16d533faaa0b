"""Measure the floor and batchor, interleaved, and report: `python -m benchmarks --help`."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import HTTP, LINKED, POSTGRES, Case, cases_of, measure_case
from benchmarks.figures import Figures, Measurement, figures_of
from benchmarks.limits import Limit, limits_of
from benchmarks.machine import describe
from benchmarks.sides import measure_sides
from benchmarks.table import limit_table, tables
from benchmarks.workload import Workload, prepare

_REPOSITORY = Path(__file__).parents[1]
_UNITS = {"k": 1_000, "M": 1_000_000}
_ALL = sys.maxsize
_MOST_PROMPTS = 1_000_000
"""Whose tokens are counted: the limit is one for so many, also where runs are longer."""


def main() -> None:
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="batchor-bench-") as temporary:
        work_dir = options.work_dir or Path(temporary)
        work_dir.mkdir(parents=True, exist_ok=True)
        figures, measurements = _measure(options, work_dir)
        print(*tables(figures), sep="\n")
        sides = (
            {}
            if options.no_sides
            else measure_sides(work_dir, prompts=min(max(options.rows + options.rows_once), _MOST_PROMPTS))
        )
    for name, value in sides.items():
        print(f"{name}: {value:,.2f}")
    limits = limits_of(figures, sides)
    print(*limit_table(limits), sep="\n")
    _save(options, figures, measurements, sides, limits=limits)


def _measure(options: argparse.Namespace, work_dir: Path) -> tuple[list[Figures], list[Measurement]]:
    cases = cases_of(subjects=options.subjects, kinds=options.kinds, postgres=options.postgres is not None)
    measurements: list[Measurement] = []
    for repetition in range(options.repetitions):
        for rows in options.rows + ([] if repetition else options.rows_once):
            for case in _measured_at(rows, cases, options):
                workload = prepare(work_dir, rows=rows, structured=case.structured)
                measured = _once(case, workload, repetition, options=options, work_dir=work_dir)
                measurements.append(measured)
                note = (
                    f"{repetition + 1}: {rows:>10,} {case.kind:<10} {case.name:<22} {measured.total_us:7.2f} µs a row"
                )
                print(note, file=sys.stderr, flush=True)
    return figures_of(measurements), measurements


def _measured_at(rows: int, cases: Sequence[Case], options: argparse.Namespace) -> list[Case]:
    """The cases that are measured with so many rows: some take their time."""
    return [
        case
        for case in cases
        if not (case.subject == HTTP and rows > options.http_up_to)
        and not (case.storage == POSTGRES and rows > options.postgres_up_to)
    ]


def _once(
    case: Case, workload: Workload, repetition: int, *, options: argparse.Namespace, work_dir: Path
) -> Measurement:
    load = os.getloadavg()[0]
    report = measure_case(case, workload, work_dir=work_dir, postgres=options.postgres)
    if report["results"] != workload.rows:
        raise SystemExit(f"{case.name} gave {report['results']} results for {workload.rows} rows; nothing was saved")
    return Measurement(case, workload.rows, repetition, report, load, workload.response_bytes)


def _save(
    options: argparse.Namespace,
    figures: Sequence[Figures],
    measurements: Sequence[Measurement],
    sides: dict[str, float],
    *,
    limits: Sequence[Limit],
) -> None:
    machine = describe()
    libraries = machine["libraries"]
    assert isinstance(libraries, dict)  # noqa: S101  describe makes it so
    path = options.results_dir / f"{libraries['batchor']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": libraries["batchor"],
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine,
        "repetitions": options.repetitions,
        "figures": [asdict(each) for each in figures],
        "sides": sides,
        "limits": [{**asdict(each), "is_held": each.is_held} for each in limits],
        "measurements": [asdict(each) for each in measurements],
    }
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")
    print(f"\nwritten: {path}")
    if not options.no_chart:
        from benchmarks.chart import draw

        draw(figures, options.chart)
        print(f"drawn: {options.chart}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=_row_counts, default=[10_000, 100_000, 1_000_000], metavar="10k,100k,1M")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rows-once", type=_row_counts, default=[], metavar="10M", help="in the first repetition only")
    parser.add_argument("--subjects", type=_words, default=[LINKED, HTTP], metavar=f"{LINKED},{HTTP}")
    parser.add_argument("--kinds", type=_words, default=["text", "structured"], metavar="text,structured")
    parser.add_argument("--postgres", metavar="URL", help="also measure on this server, in new databases")
    parser.add_argument("--http-up-to", type=_row_count, default=_ALL, metavar="100k", help="rows (default: all)")
    parser.add_argument("--postgres-up-to", type=_row_count, default=_ALL, metavar="1M", help="rows (default: all)")
    parser.add_argument("--work-dir", type=Path, help="keep prepared files here (default: a temporary folder)")
    parser.add_argument("--results-dir", type=Path, default=_REPOSITORY / "benchmarks" / "results")
    parser.add_argument("--chart", type=Path, default=_REPOSITORY / "docs" / "assets" / "cpu-per-row.svg")
    parser.add_argument("--no-sides", action="store_true", help="leave out imports, tokens and transfers")
    parser.add_argument("--no-chart", action="store_true")
    return parser


def _row_counts(text: str) -> list[int]:
    return [_row_count(word) for word in _words(text)]


def _row_count(text: str) -> int:
    return int(text.rstrip("kM")) * _UNITS.get(text[-1], 1)


def _words(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()
