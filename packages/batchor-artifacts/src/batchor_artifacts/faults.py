"""Faults of the file system, told as `ArtifactError`s with what to do."""

import errno
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from batchor_core.errors import ArtifactError, ArtifactNotFoundError, LeaseLostError

_GO_ON = "then start the run again: it goes on from what is stored"
_FREE_SPACE = f"free some space there, {_GO_ON}"
_GRANT = f"give the folder and all that is in it to the user that runs batchor (chown), {_GO_ON}"
_NO_LINKS = f"something else than a folder or file of batchor stands at this name: take it away, {_GO_ON}"
_REPLACED = "another host has replaced or deleted it: open it again, or restore it from a backup"

_WRITING = ("write", "sync", "close")
_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: f"free some space or raise the quota, {_GO_ON}",
    errno.EFBIG: f"raise the limit on the size of files (ulimit -f), {_GO_ON}",
    errno.EROFS: f"mount the file system for writing, {_GO_ON}",
    errno.EACCES: _GRANT,
    errno.EPERM: _GRANT,
    errno.ELOOP: _NO_LINKS,
    errno.ENOTDIR: _NO_LINKS,
    errno.EISDIR: _NO_LINKS,
    errno.ENXIO: _NO_LINKS,
    errno.EMFILE: f"raise the limit on open files (ulimit -n), {_GO_ON}",
    errno.ENFILE: f"raise the system's limit on open files, {_GO_ON}",
    errno.EIO: f"look to the disk, restore what is damaged, {_GO_ON}",
    errno.ESTALE: _REPLACED,
}


def artifact_fault(error: OSError, *, action: str, name: str, root: Path) -> ArtifactError | LeaseLostError:
    """What *error* means for the artifact *name*, and what to do about it."""
    if error.errno == errno.ESTALE and action in _WRITING:
        # On a network file system, a file that another host replaced is gone for those who still write to it.
        return LeaseLostError(f"artifact {name!r}")
    if isinstance(error, FileNotFoundError):
        return ArtifactNotFoundError(name, place=str(root))
    remedy = _REMEDIES.get(error.errno or 0, f"correct that, {_GO_ON}")
    return ArtifactError(f"cannot {action} artifact {name!r} in {root}: {error.strerror or error}; {remedy}")


@contextmanager
def told_as_artifact_error(action: str, *, name: str, root: Path) -> Generator[None]:
    """Turn every `OSError` of the block into what `artifact_fault` says of it."""
    try:
        yield
    except OSError as error:
        raise artifact_fault(error, action=action, name=name, root=root) from error
