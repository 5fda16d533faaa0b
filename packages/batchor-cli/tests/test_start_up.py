"""What the command loads before it knows what to do."""

import subprocess
import sys

HEAVY = ("openai", "sqlalchemy", "pyarrow", "pydantic", "rich", "dependency_injector")
REPORT = """
import sys
from batchor_cli.__main__ import main
try:
    main()
except SystemExit as end:
    print("loaded", end.code, *sorted(sys.modules))
"""


def modules_loaded_by(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", REPORT, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    marker, code, *names = done.stdout.splitlines()[-1].split()
    assert (marker, code) == ("loaded", "0")
    assert "batchor_cli" in names
    return set(names)


def loaded_by(*arguments: str) -> set[str]:
    """The packages of these modules."""
    return {name.partition(".")[0] for name in modules_loaded_by(*arguments)}


def test_help_loads_no_heavy_library() -> None:
    assert not loaded_by("--help") & set(HEAVY)


def test_help_loads_only_what_lists_the_commands() -> None:
    own = {name for name in modules_loaded_by("--help") if name.startswith("batchor")}
    assert own == {
        "batchor_cli",
        "batchor_cli.__main__",
        "batchor_cli.app",
        "batchor_cli.exit_codes",
        "batchor_cli.on_demand",
        "batchor_cli.signals",
        "batchor_cli.terminal",
    }


def test_a_command_loads_no_other() -> None:
    commands = {name for name in modules_loaded_by("events", "--help") if name.startswith("batchor_cli.commands.")}
    assert commands == {"batchor_cli.commands.watch"}


def test_the_help_of_a_command_loads_no_heavy_library() -> None:
    # typer itself converts the defaults of options with Pydantic.
    assert not loaded_by("run", "--help") & (set(HEAVY) - {"pydantic"})


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    done = subprocess.run(
        [sys.executable, "-m", "batchor_cli", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"batchor {version('batchor-cli')}\n"
