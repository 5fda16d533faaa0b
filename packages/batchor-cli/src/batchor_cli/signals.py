"""Ctrl-C and SIGTERM: a run is left as it is, and can be taken up again."""

import shlex
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from batchor_cli.terminal import note

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The process was asked to end; no `Exception`, so that no handler takes it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stoppable() -> Generator[None]:
    """Let SIGINT and SIGTERM raise `Stopped`. A second one ends the process at once: every step is durable."""
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def resumable(again: Callable[[], str]) -> Generator[None]:
    """Say with which command to go on, when this one is stopped."""
    try:
        yield
    except Stopped:
        note(f"stopped; nothing is lost, and nothing is sent twice. Go on with:\n  {again()}")
        raise


def same_command(run_id: str, **changes: str | None) -> str:
    """The command of this process, with its run id and with options of its own set anew; None: one without a value."""
    program, *arguments = sys.argv
    called = ["batchor"] if Path(program).stem == "batchor" else ["python", "-m", "batchor_cli"]
    given = run_id in arguments or f"--run-id={run_id}" in arguments
    options = {f"--{name}": value for name, value in changes.items()}
    changed = [part for name, value in options.items() for part in (name, value) if part is not None]
    return shlex.join([*called, *_without(arguments, options), *changed, *([] if given else ["--run-id", run_id])])


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    raise Stopped(number)


def _without(arguments: Sequence[str], options: Mapping[str, str | None]) -> Iterator[str]:
    """*arguments* but for *options* and their values; None stands for an option that takes none."""
    rest = iter(arguments)
    for argument in rest:
        if argument in options:
            if options[argument] is not None:
                next(rest, None)
        elif argument.partition("=")[0] not in options:
            yield argument
