"""Ctrl-C and SIGTERM: a run is left as it is, and can be taken up again."""

import shlex
import signal
import sys
from collections.abc import Generator
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
def resumable(run_id: str) -> Generator[None]:
    """Say how to go on, when the command is stopped."""
    try:
        yield
    except Stopped:
        note(f"stopped; nothing is lost, and nothing is sent twice. Go on with:\n  {_command_again(run_id)}")
        raise


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    raise Stopped(number)


def _command_again(run_id: str) -> str:
    program, *arguments = sys.argv
    called = ["batchor"] if Path(program).stem == "batchor" else ["python", "-m", "batchor_cli"]
    given = run_id in arguments or f"--run-id={run_id}" in arguments
    return shlex.join([*called, *arguments, *([] if given else ["--run-id", run_id])])
