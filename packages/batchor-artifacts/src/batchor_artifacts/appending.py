"""Opening an object to append to it: always in a file of the writer's own."""

import os

from batchor_artifacts.object_file import ObjectFile, lost_bytes, open_for_reading
from batchor_artifacts.place import Place
from batchor_artifacts.unfinished import open_unfinished
from batchor_core.errors import ArtifactError
from batchor_core.failpoints import around

_COPY_BYTES = 1 << 20


def open_for_appending(place: Place, *, at: int) -> ObjectFile:
    """A new file under the object's name, which holds its first *at* bytes, positioned behind them.

    Somebody may still have the former file open: a worker that lost its lease, perhaps asleep, with a full buffer.
    Whatever it writes when it wakes must not land between the bytes of its successor; it keeps the old file, which
    has no name any more. No lock tells reliably whether there is such a worker, so the file is always a new one.
    """
    if at < 0:
        raise ArtifactError(f"artifact {place.name!r} in {place.root} has no byte {at} to write from; give 0 or more")
    _check_what_stands_there(place, at)
    unfinished = open_unfinished(place)
    try:
        if at:
            with open_for_reading(place) as former, place.faults("copy"):
                _copy(former, unfinished.file, place, size_bytes=at)
            # Content first: a name that became durable before it would show a short object after a power loss.
            with around("artifact.append.copy"):
                unfinished.file.sync()
        unfinished.take_name(place, failpoint="artifact.append.rename")
    except BaseException:
        unfinished.discard(place)
        raise
    return unfinished.file


def _check_what_stands_there(place: Place, at: int) -> None:
    """Refuse, before anything is made, links, foreign files and objects that are too short."""
    try:
        with open_for_reading(place) as former:
            status = os.fstat(former.fileno())
    except ArtifactError as error:
        if at == 0 and isinstance(error.__cause__, FileNotFoundError):
            return
        raise
    place.access.check_file(place.root, place.name, status)
    if status.st_size < at:
        raise lost_bytes(place, stored=status.st_size, needed=at)


def _copy(former: ObjectFile, target: ObjectFile, place: Place, *, size_bytes: int) -> None:
    copied = 0
    while piece := os.pread(former.fileno(), min(_COPY_BYTES, size_bytes - copied), copied):
        copied += target.write(piece)
        target.seek(copied)
    if copied < size_bytes:
        raise lost_bytes(place, stored=copied, needed=size_bytes)
