"""Files of lines for users: replaced whole, or appended to by whole lines. For their owner alone (0600)."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from batchor_core.errors import ArtifactError

_TAIL_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20


def replace_lines(path: Path, pieces: Iterable[bytes]) -> None:
    """Let *path* hold *pieces*, all of them or what it held before. `ArtifactError` when it can't be written."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False, delete_on_close=False
        ) as file:
            try:
                _write(file.fileno(), pieces)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _fault(path, error) from error


class LineAppender:
    """Appends whole lines to a file; half a line that a crash left is cut off first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.last_line = self._cut_to_whole_lines()
        except OSError as error:
            raise _fault(path, error) from error

    def append(self, pieces: Iterable[bytes]) -> None:
        """Write *pieces*, of whole lines each, behind the others, durably."""
        try:
            _write(self._descriptor, pieces)
        except OSError as error:
            raise _fault(self._path, error) from error

    def close(self) -> None:
        os.close(self._descriptor)

    def _cut_to_whole_lines(self) -> bytes | None:
        """Leave the file at the end of its last whole line, and return that line."""
        end = os.lseek(self._descriptor, 0, os.SEEK_END)
        tail, start = b"", end
        while start and tail.count(b"\n") < 2:
            step = min(_TAIL_BYTES, start)
            start -= step
            tail = os.pread(self._descriptor, step, start) + tail
        whole = tail.rfind(b"\n") + 1
        os.ftruncate(self._descriptor, start + whole)
        os.lseek(self._descriptor, start + whole, os.SEEK_SET)
        return tail[:whole].rstrip(b"\n").rpartition(b"\n")[2] or None


def _write(descriptor: int, pieces: Iterable[bytes]) -> None:
    with os.fdopen(descriptor, "wb", buffering=_BUFFER_BYTES, closefd=False) as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(f"{path} cannot be written ({error.strerror}); what it held is as it was; give another path")
