"""Named places at which a test can make the process die or fail; nothing happens unless one is armed.

`BATCHOR_FAILPOINT=name:hit:action` arms one from outside: at the given hit (from 1) of the name,
`kill` sends SIGKILL to this process, `freeze` SIGSTOP, `raise` raises `InjectedCrash`, `sleep=SECONDS` waits.
A name may end in `*`; `*` alone counts every failpoint.
"""

import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock


class InjectedCrash(BaseException):
    """A simulated death of the process; not an `Exception`, so that no handler survives it."""


@dataclass(slots=True)
class _Armed:
    name: str
    hits_left: int
    action: str


_armed: _Armed | None = None
_observer: Callable[[str], None] | None = None
_lock = Lock()


def arm(name: str, *, hit: int = 1, action: str = "raise") -> None:
    """Let the *hit*-th passing of *name* perform *action*; replaces what was armed before."""
    global _armed  # noqa: PLW0603  one switch for the whole process is the point
    _armed = _Armed(name, hit, action)


def disarm() -> None:
    """Let every failpoint pass."""
    global _armed  # noqa: PLW0603
    _armed = None


def observe(observer: Callable[[str], None] | None) -> None:
    """Call *observer* with the name of each failpoint that is passed; `None` ends that."""
    global _observer  # noqa: PLW0603
    _observer = observer


def failpoint(name: str) -> None:
    """Mark a place; costs one comparison when nothing is armed."""
    if _observer is not None:
        _observer(name)
    if _armed is not None:
        _pass(name)


@contextmanager
def around(name: str) -> Generator[None]:
    """Mark the places right before and right after a durable step or a provider call."""
    failpoint(f"{name}.before")
    yield
    failpoint(f"{name}.after")


def _pass(name: str) -> None:
    global _armed  # noqa: PLW0603
    with _lock:
        armed = _armed
        if armed is None or not _matches(armed.name, name):
            return
        armed.hits_left -= 1
        if armed.hits_left > 0:
            return
        _armed = None
    _act(armed.action, name)


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _act(action: str, name: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)  # all threads, until somebody sends SIGCONT
    elif action.startswith("sleep="):
        time.sleep(float(action.removeprefix("sleep=")))
    else:
        raise InjectedCrash(name)


def _arm_from_environment() -> None:
    if spec := os.environ.get("BATCHOR_FAILPOINT"):
        name, hit, action = spec.split(":", 2)
        arm(name, hit=int(hit), action=action)


_arm_from_environment()
