"""A file that is replaced whole or not at all."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from batchor_core.errors import ArtifactError


@contextmanager
def replaced_file(path: Path) -> Generator[BinaryIO]:
    """A new file to write, which takes *path*'s place, durably, when the block ends well; for its owner alone (0600).

    When the block raises, *path* is as it was; `ArtifactError` when the file system refuses. A crash may
    leave a file `.NAME.….tmp` beside it.
    """
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False, delete_on_close=False
        ) as file:
            try:
                yield cast("BinaryIO", file)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        _sync_folder(path.parent)
    except OSError as error:
        problem = error.strerror or error
        raise ArtifactError(
            f"{path} cannot be written ({problem}); what it held is as it was; give another path"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
