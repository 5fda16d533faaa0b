"""Which figures are judged, and by which limit."""

from dataclasses import replace

import pytest
from benchmarks.cases import FLOOR, HTTP, LINKED, POSTGRES, SQLITE, Case
from benchmarks.figures import BOTH, Figures
from benchmarks.limits import Limit, limits_of
from benchmarks.table import limit_table

LINKED_TEXT = Case(LINKED, SQLITE, structured=False)
USUAL = Figures(
    LINKED_TEXT,
    rows=1_000_000,
    total_us=20.0,
    total_ratio=1.2,
    phase_ratios={BOTH: 1.4, "poll + collect": 1.1, "read results": 1.5, "export": 1.6, "start": 9.0},
    peak_rss_mb=80.0,
    written_ratio=1.7,
    facts={"without result texts": 140.0, "status, CPU ms": 0.2},
)


def named(limits: list[Limit]) -> dict[str, Limit]:
    by_name = {each.name: each for each in limits}
    assert len(by_name) == len(limits)
    return by_name


def test_nothing_is_judged_that_was_not_measured() -> None:
    assert limits_of([], {}) == []


def test_one_case_is_judged_by_every_limit_that_it_has_a_figure_for() -> None:
    judged = {name: (each.figure, each.limit) for name, each in named(limits_of([USUAL], {})).items()}
    assert judged == {
        "CPU over floor, text": (1.2, 1.3),
        "ingest + submit over floor, text": (1.4, 2.0),
        "poll + collect over floor, text": (1.1, 2.0),
        "read results over floor, text": (1.5, 2.0),
        "export over floor, text": (1.6, 2.0),
        "peak RSS, MB": (80.0, 200.0),
        "database bytes a row without result texts": (140.0, 300.0),
        "written / payload": (1.7, 3.5),
        "status, CPU ms": (0.2, 5.0),
    }


def test_structured_answers_and_postgresql_have_limits_of_their_own() -> None:
    structured = replace(USUAL, case=Case(LINKED, SQLITE, structured=True))
    on_postgres = replace(USUAL, case=Case(LINKED, POSTGRES, structured=True))
    limits = named(limits_of([structured, on_postgres], {}))
    assert limits["CPU over floor, structured"].limit == 1.5
    assert limits["CPU over floor, PostgreSQL's client"].limit == 1.5
    assert "CPU over floor, text" not in limits


def test_a_short_run_is_not_judged_by_its_ratio_to_the_floor() -> None:
    names = named(limits_of([replace(USUAL, rows=100_000)], {}))
    assert "peak RSS, MB" in names
    assert not [name for name in names if "over floor" in name]


def test_the_worst_of_several_sizes_is_judged() -> None:
    large = replace(USUAL, rows=10_000_000, total_ratio=1.31)
    limit = named(limits_of([large, USUAL], {}))["CPU over floor, text"]
    assert (limit.figure, limit.at) == (1.31, "sqlite, in-process, text, 10,000,000 rows")
    assert not limit.is_held


def test_a_figure_at_its_limit_holds_it() -> None:
    assert named(limits_of([replace(USUAL, total_ratio=1.3)], {}))["CPU over floor, text"].is_held


@pytest.mark.parametrize(("rows", "limit"), [(1_000_000, 1.1), (10_000_000, 1.15)])
def test_the_cost_of_a_row_is_compared_with_that_of_a_smaller_run(rows: int, limit: float) -> None:
    limits = named(limits_of([replace(USUAL, rows=100_000), replace(USUAL, rows=rows, total_us=22.5)], {}))
    growth = limits[f"CPU a row, {rows:,} rows over 100,000"]
    assert (growth.figure, growth.limit) == (1.125, limit)


def test_the_floor_is_never_judged() -> None:
    assert limits_of([replace(USUAL, case=Case(FLOOR, SQLITE, structured=False))], {}) == []


def test_http_is_judged_by_memory_and_not_by_a_floor_without_http() -> None:
    names = set(named(limits_of([replace(USUAL, case=Case(HTTP, SQLITE, structured=False))], {})))
    assert names == {"peak RSS, MB", "database bytes a row without result texts", "status, CPU ms"}


def test_what_is_measured_beside_the_pipeline_is_judged_too() -> None:
    sides = {
        "import batchor above python, CPU ms": 61.0,
        "batchor --help over import typer, ratio": 1.1,
        "counting the tokens of 1,000,000 prompts, CPU s": 7.0,
        "counting the tokens of 10,000 prompts, CPU s": 0.1,
        "upload of 1 x 200 MB, RSS added in MB": 0.2,
        "download of 1 x 200 MB, RSS added in MB": 5.0,
        "download of 8 x 200 MB, RSS added in MB": 30.0,
    }
    assert {each.name: (each.limit, each.is_held) for each in limits_of([], sides)} == {
        "counting the tokens of 1,000,000 prompts, CPU s": (8.0, True),
        "import batchor above python, CPU ms": (60.0, False),
        "batchor --help over import typer, ratio": (1.5, True),
        "upload of 1 x 200 MB, RSS added in MB": (20.0, True),
        "download of 1 x 200 MB, RSS added in MB": (20.0, True),
    }


def test_the_table_says_what_is_not_held() -> None:
    lines = [*limit_table([Limit("memory", "here", 1.0, 2.0), Limit("time", "there", 3.0, 2.0)])]
    assert lines[1].split() == ["memory", "1.00", "limit", "2.00", "held", "here"]
    assert lines[2].split() == ["time", "3.00", "limit", "2.00", "NOT", "HELD", "there"]
