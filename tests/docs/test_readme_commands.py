"""The commands that the README promises to do everything in a fresh clone."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SET_UP = "python3 -m pip install uv && python3 -m uv run "
COMMAND = re.compile(rf"^{re.escape(SET_UP)}(.+)$", re.MULTILINE)


@pytest.fixture
def commands() -> list[str]:
    """The README's commands, without the set-up that this environment has behind it."""
    return COMMAND.findall((REPOSITORY / "README.md").read_text())


def test_the_readme_has_one_command_for_the_main_job_and_one_for_the_checks(commands: list[str]) -> None:
    assert [command.split()[0] for command in commands] == ["batchor", "just"]


def test_the_main_job_leaves_a_result_for_each_of_the_5000_rows(commands: list[str], reader_folder: Path) -> None:
    strikes = Path("examples/birdstrikes/birdstrikes.jsonl")
    shutil.copy(REPOSITORY / strikes, reader_folder / strikes)
    subprocess.run(["bash", "-c", commands[0]], cwd=reader_folder, check=True, timeout=120, capture_output=True)
    ids = [json.loads(line)["id"] for line in (reader_folder / strikes).read_bytes().splitlines()]
    results = [json.loads(line) for line in (reader_folder / "results.jsonl").read_bytes().splitlines()]
    assert len(results) == 5_000
    assert [result["item_id"] for result in results] == ids
    assert {result["status"] for result in results} == {"completed"}


def test_the_checks_are_what_ci_runs(commands: list[str]) -> None:
    ci = (REPOSITORY / ".ci" / "run").read_text()
    assert ci.rstrip().endswith(f"uv run --locked {commands[1]}")


def test_every_recipe_that_contributing_names_exists() -> None:
    header = r"^([a-z][a-z-]*)(?: \*?[A-Z]+(?:='[^']*')?)*:"
    recipes = set(re.findall(header, (REPOSITORY / "justfile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`just ([a-z-]+)", (REPOSITORY / "CONTRIBUTING.md").read_text()))
    assert named
    assert named <= recipes
