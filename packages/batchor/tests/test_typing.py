"""The package is typed for its users, under the strictest rules."""

import subprocess
import sys
from pathlib import Path

import pytest

SNIPPETS = Path(__file__).parent / "typing" / "user_snippets.py"


@pytest.fixture(scope="module")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pytest.importorskip("mypy")
    # As a user has it: without this project's configuration.
    return [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={tmp_path_factory.mktemp('mypy')}",
    ]


def test_what_users_write_passes_mypy_strict(mypy: list[str]) -> None:
    done = subprocess.run([*mypy, str(SNIPPETS)], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout


def test_a_misspelt_word_does_not_pass(mypy: list[str], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from batchor import BatchRuner\n")
    done = subprocess.run([*mypy, str(wrong)], capture_output=True, text=True, check=False, timeout=240)
    assert 'Module "batchor" has no attribute "BatchRuner"' in done.stdout
