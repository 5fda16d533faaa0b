"""Writing an object: buffered, and durable when it is synced."""

import io

from batchor_artifacts.object_file import ObjectFile
from batchor_artifacts.place import Place
from batchor_core.errors import ArtifactError, LeaseLostError
from batchor_core.failpoints import around

_BUFFER_BYTES = 1 << 20


class FileWriter:
    """Writes to *file*, whose name in the place's folder is *leaf*, through a buffer.

    The first sync also syncs the folders where the name is *new*.
    """

    def __init__(self, file: ObjectFile, place: Place, *, leaf: str, failpoint: str, new: bool) -> None:
        self._file = file
        self._stream = io.BufferedWriter(file, _BUFFER_BYTES)
        self._place = place
        self._leaf = leaf
        self._failpoint = failpoint
        self._name_is_durable = not new
        self._fault: ArtifactError | None = None

    def write(self, data: bytes, /) -> int:
        return self._stream.write(data)

    def flush(self) -> None:
        """Give the buffer to the operating system, which may still lose it with the power."""
        self._stream.flush()

    def sync(self) -> int:
        if self._fault is not None:
            raise self._fault
        try:
            self.flush()
            with around(f"{self._failpoint}.sync"):
                self._file.sync()
            if not self._name_is_durable:
                self._place.sync_folders(f"{self._failpoint}.sync_folders")
                self._name_is_durable = True
        except ArtifactError as error:
            # After a failed fsync the system may drop the pages and report success next time, so there is no next time.
            self._fault = error
            raise
        if not self._file.is_named(self._leaf):
            # The bytes are safe in a file that nobody finds any more: nothing may be told to be stored.
            raise LeaseLostError(f"artifact {self._place.name!r}")
        return self._file.tell()
