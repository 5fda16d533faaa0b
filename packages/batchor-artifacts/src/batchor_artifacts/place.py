"""Where an object lies: its folders, opened one by one from the root down.

Every folder and file is opened relative to the descriptor of the folder above it, and no symbolic link is
followed below the root. A path that is resolved, checked and then opened leaves a moment between check and
opening in which somebody can put a link there; with descriptors there is no such moment.
"""

import errno
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from batchor_artifacts.access import Access
from batchor_artifacts.faults import told_as_artifact_error
from batchor_core.domain.artifact_name import check_artifact_name, is_artifact_name
from batchor_core.failpoints import around

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """An object's name, and the open folders that lead to it."""

    root: Path
    access: Access
    name: str
    folders: Sequence[int]
    """Descriptors, the root's first."""
    leaf: str
    """The last part of the name."""

    @property
    def folder(self) -> int:
        return self.folders[-1]

    def faults(self, action: str) -> AbstractContextManager[None]:
        return told_as_artifact_error(action, name=self.name, root=self.root)

    def sync_folders(self, failpoint: str) -> None:
        """Make the object's name durable, and those of its folders: another process may have made them a moment ago."""
        with around(failpoint), self.faults("sync the folders of"):
            for folder in reversed(self.folders):
                sync_folder(folder)


@contextmanager
def open_place(root: Path, name: str, *, access: Access, make: bool = False) -> Generator[Place]:
    """The place of *name*, open as long as the block runs. With *make*, folders that are missing are made."""
    *parents, leaf = check_artifact_name(name).split("/")
    with ExitStack() as stack:
        with told_as_artifact_error("reach", name=name, root=root):
            folders = [_kept_open(stack, open_root(root, access=access, make=make))]
            for parent in parents:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(parent, access.folder_mode, dir_fd=folders[-1])
                folders.append(_kept_open(stack, open_folder(parent, within=folders[-1])))
                if make:
                    access.give_folder(folders[-1])
        yield Place(root, access, name, folders, leaf)


def open_root(root: Path, *, access: Access, make: bool = False) -> int:
    """A descriptor of the root; `ArtifactError` when somebody else could write there."""
    if make:
        _make_root(root, access)
    descriptor = os.open(root, _FOLDER_FLAGS)
    try:
        access.check_root(root, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_folder(name: str, *, within: int) -> int:
    return os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=within)


def walk_root(root: Path, prefix: str, *, access: Access) -> Iterator[str]:
    """The names of all objects that begin with *prefix*, in any order.

    Unfinished files, links and all that batchor does not name so are left out.
    """
    with ExitStack() as stack:
        yield from _walk(_kept_open(stack, open_root(root, access=access)), "", prefix)


def _walk(folder: int, above: str, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if is_artifact_name(entry.name)]
    for entry in found:
        name = above + entry.name
        if entry.is_dir(follow_symlinks=False):
            if f"{name}/".startswith(prefix[: len(name) + 1]):
                with suppress(FileNotFoundError), ExitStack() as stack:
                    yield from _walk(_kept_open(stack, open_folder(entry.name, within=folder)), f"{name}/", prefix)
        elif name.startswith(prefix) and entry.is_file(follow_symlinks=False):
            yield name


def sync_file(descriptor: int) -> None:
    """Make what was written to a file durable."""
    if sys.platform == "darwin":
        import fcntl

        # There, fsync leaves the data in the disk's own cache.
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_folder(descriptor: int) -> None:
    """Make the names in a folder durable."""
    try:
        sync_file(descriptor)
    except OSError as error:
        # Some network file systems know no sync of folders; there the server sees to it.
        if error.errno != errno.EINVAL:
            raise


def _kept_open(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _make_root(root: Path, access: Access) -> None:
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    for folder in reversed(missing):
        with ExitStack() as stack:
            folder.mkdir(mode=access.folder_mode, exist_ok=True)
            access.give_folder(_kept_open(stack, os.open(folder, _FOLDER_FLAGS)))
            sync_folder(_kept_open(stack, os.open(folder.parent, _FOLDER_FLAGS)))
