"""What a process leaves that is killed at any one of its system calls. For Linux, and for work of a single thread.

The child is stopped (ptrace) where it enters and where it leaves each call. A copy of its files at that moment is
what a SIGKILL would leave there, for none but the child's own calls changes them.
"""

import ctypes
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

_PTRACE_TRACEME, _PTRACE_SYSCALL = 0, 24

_libc = ctypes.CDLL(None, use_errno=True)


def left_behind(act: Callable[[], object], folder: Path, *, copies: Path) -> Iterator[Path]:
    """Have a forked child do *act*, which writes in *folder*; a copy of *folder* for each state that it is ever in.

    The copy is the folder `copy` in *copies*, which is not in *folder*; it may be changed, and is gone when the next one is
    asked for. The last one is what the child leaves at its end. Raises `OSError` where processes may not be traced,
    and `RuntimeError` when the child fails, whose traceback is on standard error.
    """
    copy = copies / "copy"
    before: dict[Path, bytes | None] | None = None
    child = _begin(act)
    status: int | None = None
    try:
        while os.WIFSTOPPED(status := os.waitpid(child, 0)[1]):
            state = {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
            if state != before:
                shutil.copytree(folder, copy)
                yield copy
                shutil.rmtree(copy)
            before = state
            _trace(_PTRACE_SYSCALL, child)
    finally:
        if status is None or os.WIFSTOPPED(status):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"the child has failed (wait status {status}); standard error has its traceback")


def _begin(act: Callable[[], object]) -> int:
    """The process id of a child that does *act*, and is stopped before it begins."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        _trace(_PTRACE_TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        act()
        status = 0
    except BaseException:  # noqa: BLE001  nothing is above it: the stack of the parent is not the child's
        traceback.print_exc()
    finally:
        os._exit(status)


def _trace(request: int, process_id: int) -> None:
    if _libc.ptrace(request, process_id, None, None):
        number = ctypes.get_errno()
        raise OSError(number, f"this process cannot trace another ({os.strerror(number)}); allow ptrace")
