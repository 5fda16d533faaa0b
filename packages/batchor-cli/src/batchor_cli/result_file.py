"""Results as JSON Lines: to a file that appears whole, or to stdout."""

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from batchor import Run, TextItemResult
from batchor_cli.terminal import printable, unbroken_pipe
from batchor_core.application.export import result_line
from batchor_core.application.line_file import replace_lines
from batchor_core.errors import ConfigurationError


def result_lines(run: Run[TextItemResult]) -> Iterator[bytes]:
    """Each result so far, in input order, as one line; structured answers as they were given."""
    structured = run.is_structured
    return (result_line(result, structured=structured) for result in run.iter_results(typed=False))


def print_results(run: Run[TextItemResult]) -> int:
    """Results to stdout; how many."""
    escape = sys.stdout.isatty()
    count = 0
    with unbroken_pipe():
        for count, line in enumerate(result_lines(run), start=1):  # noqa: B007  it is returned
            sys.stdout.buffer.write(printable(line.decode()).encode() if escape else line)
        sys.stdout.buffer.flush()
    return count


def write_results(run: Run[TextItemResult], path: Path) -> int:
    """Results to *path*, which holds all of them or is left as it was; how many. For its owner alone (0600)."""
    check_target(path)
    return replace_lines(path, result_lines(run))


def check_target(path: Path) -> None:
    """`ConfigurationError` when *path* can be no result file."""
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent}; make it, or give another --output")
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise ConfigurationError(f"{path} is no file that results can replace; give another --output, - for stdout")
