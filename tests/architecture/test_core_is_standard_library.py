import ast
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import batchor_core

CORE = Path(batchor_core.__file__).parent


def imported_top_level_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case _:
                pass


def test_the_core_imports_only_the_standard_library_and_itself() -> None:
    # `typing_extensions` stands under TYPE_CHECKING alone: type checkers know it without an installation.
    allowed = {*sys.stdlib_module_names, "batchor_core", "typing_extensions"}
    foreign = {
        f"{path.relative_to(CORE)}: {name}"
        for path in CORE.rglob("*.py")
        for name in imported_top_level_names(path)
        if name not in allowed
    }
    assert not foreign


def test_the_core_asks_the_clock_port_for_time() -> None:
    places = {"adapters/system.py", "failpoints.py"}
    offenders = [
        str(path.relative_to(CORE))
        for path in CORE.rglob("*.py")
        if str(path.relative_to(CORE)) not in places
        and any(word in path.read_text(encoding="utf-8") for word in ("datetime.now(", "time.time(", "time.sleep("))
    ]
    assert not offenders


def test_the_workspace_has_the_extras_that_tests_would_do_without() -> None:
    installed = {distribution.name for distribution in distributions()}
    assert sys.version_info >= (3, 14) or "backports.zstd" in installed or "backports-zstd" in installed
    assert "toktok-rs" in installed
