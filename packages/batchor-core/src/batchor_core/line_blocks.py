"""Lines of large files, many at a time."""

from io import BytesIO
from typing import BinaryIO

_BLOCK_BYTES = 1 << 16


def next_lines(file: BinaryIO, *, max_line_bytes: int) -> list[bytes]:
    r"""Some of the next lines, each with its `\n`, which the last of a file may lack; none at the end.

    Together they have 64 KiB and what completes the last one. Of a line of more than *max_line_bytes* a part may be given, which
    is longer than that too.
    """
    # One byte more than a line may have tells that it is too long, without reading the rest.
    return BytesIO(file.read(_BLOCK_BYTES) + file.readline(max_line_bytes + 1)).readlines()
