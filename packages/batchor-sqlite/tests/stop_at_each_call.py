"""A process for the tests: stops a child at each system call of storing a first run, and opens a copy of its files.

A copy of the files at that moment is what a SIGKILL would leave.

Usage: stop_at_each_call.py FOLDER; prints JSON: `files`, the names of the files at each change to one of
them, and `harmed`, what was wrong with a copy.
"""

import ctypes
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from batchor_core.errors import BatchorError, RunNotFoundError
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import start_run

_ITEMS = 3
_PTRACE_TRACEME, _PTRACE_SYSCALL = 0, 24

_libc = ctypes.CDLL(None, use_errno=True)


def _trace(request: int, process_id: int) -> None:
    if _libc.ptrace(request, process_id, None, None):
        raise OSError(ctypes.get_errno(), "ptrace is not allowed here")


def _store_a_run(path: Path) -> None:
    storage = SQLiteStorage(path=path)
    start_run(storage, items=_ITEMS)
    storage.close()


def _each_call(path: Path) -> Iterator[None]:
    """Let a child store a run; it is stopped where it enters and where it leaves a system call."""
    child = os.fork()
    if child == 0:
        try:
            _trace(_PTRACE_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            _store_a_run(path)
        finally:
            os._exit(0)
    while not os.WIFEXITED(os.waitpid(child, 0)[1]):
        yield
        _trace(_PTRACE_SYSCALL, child)


def _harm(path: Path) -> str | None:
    """What is wrong with the database at *path*, used as a next process would: it has the run, or takes it."""
    storage = SQLiteStorage(path=path)
    try:
        try:
            with storage.reading() as unit:
                stored = unit.items.recount(RUN_ID).pending
        except RunNotFoundError:
            stored = _ITEMS
            start_run(storage, items=_ITEMS)
    except BatchorError as error:
        return str(error)
    finally:
        storage.close()
    if stored != _ITEMS:
        return f"{stored} of {_ITEMS} items"
    with closing(sqlite3.connect(path)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    return None if verdict == "ok" else str(verdict)


def main(folder: str) -> None:
    child_folder = Path(folder) / "child"
    child_folder.mkdir()
    files: list[list[str]] = []
    harmed = []
    before: dict[str, bytes] = {}
    for _ in _each_call(child_folder / "state.sqlite3"):
        content = {path.name: path.read_bytes() for path in sorted(child_folder.iterdir())}
        if content != before:
            files.append(list(content))
            copy = Path(folder) / str(len(files))
            copy.mkdir()
            for name, data in content.items():
                (copy / name).write_bytes(data)
            if (harm := _harm(copy / "state.sqlite3")) is not None:
                harmed.append(f"{list(content)}: {harm}")
        before = content
    print(json.dumps({"files": files, "harmed": harmed}))


main(*sys.argv[1:])
