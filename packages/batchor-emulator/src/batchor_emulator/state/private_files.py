"""Owner-only files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

_OTHERS_CAN_WRITE = stat.S_IWGRP | stat.S_IWOTH


class StateDirError(Exception):
    """The state folder can't be used; the message says why and what to do."""


def make_private_dir(path: Path) -> None:
    """Create *path* and its missing parents with mode 0700, or check that nobody else can write to it.

    Raises `StateDirError` for a link, for something that is no folder, and for a folder that
    others own or can write to.
    """
    # One by one: what mkdir makes of missing parents has the mode of the umask.
    for folder in (*reversed(path.parents), path):
        with contextlib.suppress(FileExistsError):
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise StateDirError(f"{path} is not a folder; name another --state-dir")
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_CAN_WRITE:
        raise StateDirError(f"others can write to {path}; run `chmod 700 {path}` or name another --state-dir")


def create_private(path: Path) -> int:
    """A descriptor for writing to a file that did not exist before, mode 0600.

    Raises `FileExistsError` when anything, a dangling link included, has that name.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def append_private(path: Path) -> int:
    """A descriptor that appends to *path*, which is created with mode 0600 when it is missing."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def open_private(path: Path) -> int:
    """A descriptor for reading; never follows a link. Raises `FileNotFoundError`."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte; `os.write` alone may stop early."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_dir(path: Path) -> None:
    """Make the names in a folder survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_durably(source: Path, target: Path) -> None:
    """Move a file that is already synced to its final name, replacing what was there."""
    source.rename(target)
    sync_dir(target.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Replace *path* by *data*: after a crash the file holds the old bytes or the new ones."""
    write_atomically(path, data)
    sync_dir(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace *path* by *data* for other processes: they never see a part of it.

    The rename is the last thing that touches the folder.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    descriptor = create_private(temporary)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        temporary.unlink()
        raise
    finally:
        os.close(descriptor)
    temporary.rename(path)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that a killed process left."""
    for path in folder.glob(".*.tmp"):
        path.unlink()


def lock_dir(folder: Path) -> int:
    """Take the folder for this process: the lock lasts until the returned descriptor is closed.

    The kernel closes it at the end of the process, however that ends.

    Raises `StateDirError` when another emulator has it.
    """
    descriptor = append_private(folder / "lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateDirError(f"another emulator uses {folder}; stop it or name another --state-dir") from None
    return descriptor
