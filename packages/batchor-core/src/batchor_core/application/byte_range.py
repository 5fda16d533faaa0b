"""A byte range of an artifact, read piece by piece."""

from collections.abc import Iterator
from typing import BinaryIO

from batchor_core.errors import ArtifactError

_PIECE_BYTES = 4 << 20


def pieces(content: BinaryIO, *, name: str, offset: int, length: int) -> Iterator[bytes]:
    """Just these bytes of the open artifact *name*; `ArtifactError` when it has fewer."""
    content.seek(offset)
    left = length
    while left:
        piece = content.read(min(left, _PIECE_BYTES))
        if not piece:
            raise ArtifactError(
                f"artifact {name!r} ends {left} bytes before byte {offset + length}, up to which it was stored; "
                "restore it, or start a new run"
            )
        yield piece
        left -= len(piece)
