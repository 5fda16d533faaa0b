"""What a process leaves that is killed at any one of its system calls. Linux only, and for work of a single thread.

The child is stopped (ptrace) where it enters and where it leaves each call. A copy of its files at that moment is
what a SIGKILL would leave there, for none but the child's own calls changes them.
"""

import ctypes
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

_PTRACE_TRACEME, _PTRACE_SYSCALL = 0, 24

_libc = ctypes.CDLL(None, use_errno=True)


def left_behind(act: Callable[[], object], folder: Path, *, copies: Path) -> Iterator[Path]:
    """Have a forked child do *act*, which writes in *folder*; a copy of *folder* for each state that it is ever in.

    *copies* is a folder of its own for them; each copy may be changed, and is gone when the next one is asked for. The last
    one is what the child leaves at its end. Raises `OSError` where processes may not be traced, `RuntimeError` when
    *act* fails.
    """
    before: dict[Path, bytes | None] | None = None
    child = _begin(act)
    while not os.WIFEXITED(status := os.waitpid(child, 0)[1]):
        state = {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}
        if state != before:
            copy = copies / "copy"
            shutil.copytree(folder, copy)
            yield copy
            shutil.rmtree(copy)
        before = state
        _trace(_PTRACE_SYSCALL, child)
    if os.WEXITSTATUS(status):
        raise RuntimeError("what the child was to do has failed; its error is on standard error")


def _begin(act: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        _trace(_PTRACE_TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        act()
        status = 0
    finally:
        os._exit(status)


def _trace(request: int, process_id: int) -> None:
    if _libc.ptrace(request, process_id, None, None):
        raise OSError(ctypes.get_errno(), "ptrace is not allowed here")
