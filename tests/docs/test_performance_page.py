"""The page on performance shows all that was measured."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

_REPOSITORY = Path(__file__).parents[2]
_PAGE = _REPOSITORY / "docs" / "explanation" / "performance.md"


@pytest.fixture
def results() -> dict[str, Any]:
    found = [json.loads(path.read_text()) for path in (_REPOSITORY / "benchmarks" / "results").glob("*.json")]
    return max(found, key=lambda each: each["date"])


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """As it is built."""
    monkeypatch.syspath_prepend(str(_REPOSITORY / "docs"))
    built: str = import_module("generated_pages").on_page_markdown(_PAGE.read_text())
    return built


def lines_below(page: str, heading: str) -> list[str]:
    """The lines up to the next heading."""
    _, found, rest = page.partition(f"{heading}\n")
    assert found, heading
    return rest.partition("\n#")[0].splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def kind_of(figures: dict[str, Any]) -> str:
    return "structured" if figures["case"]["structured"] else "text"


def test_every_size_and_kind_has_a_table_with_every_case_and_phase(page: str, results: dict[str, Any]) -> None:
    for each in results["figures"]:
        lines = lines_below(page, f"### {each['rows']:,} rows, {kind_of(each)}")
        rows = {cells(line)[0].strip("*"): cells(line)[1:] for line in lines if line}
        assert len([*each["phases_us"], "total"]) == len(rows) - 2
        subject = each["case"]["subject"]
        (column,) = [n for n, name in enumerate(rows["CPU µs a row"]) if name.endswith(subject) and is_of(each, name)]
        assert rows["total"][column].strip("*").startswith(f"{each['total_us']:.2f}")
        for phase, us in each["phases_us"].items():
            assert rows[phase][column].startswith(f"{us:.2f}")


def is_of(figures: dict[str, Any], name: str) -> bool:
    return name == "floor" or name.startswith(figures["case"]["storage"])


def test_memory_and_bytes_are_shown_for_every_size_kind_and_case(page: str, results: dict[str, Any]) -> None:
    rows = [cells(line) for line in lines_below(page, "## Memory, disk, looks and claims") if line.startswith("|")][2:]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        (f"{each['rows']:,}", kind_of(each), f"{each['peak_rss_mb']:.0f}") for each in results["figures"]
    ]


@pytest.mark.parametrize(("heading", "key"), [("## Beside the pipeline", "sides"), ("## The limits", "limits")])
def test_nothing_measured_is_left_out(page: str, results: dict[str, Any], heading: str, key: str) -> None:
    shown = [cells(line)[0] for line in lines_below(page, heading) if line.startswith("|")][2:]
    measured = results[key]
    assert shown == ([*measured] if key == "sides" else [each["name"] for each in measured])


def test_the_page_says_what_was_measured_when_and_where(page: str, results: dict[str, Any]) -> None:
    for known in (results["date"], results["version"], results["machine"]["cpu"], results["machine"]["sqlite"]):
        assert known in page
