"""Files that are compressed, read as if they were not: by their extension, `.gz` or `.zst`."""

import gzip
import importlib
import sys
import zlib
from collections.abc import Buffer, Callable
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast, override

from batchor_core.adapters.source_file import READ_BUFFER_BYTES, open_source_file
from batchor_core.errors import MissingPackageError, SourceError

MAX_EXPANSION = 500
FREE_EXPANSION_BYTES = 64 << 20
_ZSTD_MODULE = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


@dataclass(frozen=True, slots=True)
class _Codec:
    """How one kind of compressed file is read."""

    name: str
    decompressed: Callable[[BinaryIO], BinaryIO]
    faults: tuple[type[Exception], ...]
    """What its reader raises for content that is not of this kind, beside `EOFError` for a file that was cut off."""


def open_decompressed(path: Path) -> BinaryIO:
    """The file's content for reading, decompressed when its name ends in `.gz` or `.zst`; offsets count that content.

    Several gzip members or zstd frames are read one after the other. Seeking forward decompresses what is passed over,
    seeking back begins again, and memory is bounded by a buffer and the format's window (at most 128 MiB with zstd).
    A `SourceError` that names the file is raised for a file that was cut off, that is damaged or something else, and
    for one that expands by more than 500:1 beyond its first 64 MiB: a bomb.
    """
    codec = codec_of(path)
    if codec is None:
        return open_source_file(path)
    return BufferedReader(_DecompressedFile(path, codec), READ_BUFFER_BYTES)


def codec_of(path: Path) -> _Codec | None:
    """What the path's extension stands for; `MissingPackageError` when that needs a package that is not here."""
    match path.suffix.lower():
        case ".gz":
            return _Codec("gzip", _gunzipped, (gzip.BadGzipFile, zlib.error))
        case ".zst":
            return _zstd(path)
        case _:
            return None


def _gunzipped(file: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))


def _zstd(path: Path) -> _Codec:
    try:
        zstd: Any = importlib.import_module(_ZSTD_MODULE)
    except ModuleNotFoundError:
        raise MissingPackageError(f"reading {path}", package="'batchor-core[zstd]'") from None
    return _Codec("zstd", zstd.ZstdFile, (zstd.ZstdError,))


class _DecompressedFile(RawIOBase):
    """The content of a compressed file, with a look at how much comes out of how little."""

    def __init__(self, path: Path, codec: _Codec) -> None:
        self._path = path
        self._codec = codec
        self._file = open_source_file(path)
        self._content = codec.decompressed(self._file)
        self._offset = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer)
        try:
            data = self._content.read(len(target))
            if not data and self._file.tell() == 0:
                raise EOFError  # gzip takes a file without a byte for one without content
        except EOFError as error:
            raise SourceError(
                f"{self._path} was cut off: its {self._codec.name} data ends in the middle, {self._offset} bytes of "
                "content were read before; copy or download it again, and check it with the tool that made it"
            ) from error
        except self._codec.faults as error:
            raise SourceError(
                f"{self._path} is damaged, or no {self._codec.name} file ({error}); copy it again, "
                f"or leave {self._path.suffix} out of its name if it is not compressed"
            ) from error
        target[: len(data)] = data
        self._offset += len(data)
        self._refuse_bomb()
        return len(data)

    @override
    def tell(self) -> int:
        return self._offset

    @override
    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence != 0:
            raise OSError("a compressed file is sought from its beginning only")
        if offset < self._offset:
            self._content.seek(0)
            self._offset = 0
        passed_over = bytearray(READ_BUFFER_BYTES)
        while (left := offset - self._offset) > 0:
            if not self.readinto(memoryview(passed_over)[:left]):
                break
        return self._offset

    @override
    def close(self) -> None:
        if not self.closed:
            self._content.close()
            self._file.close()
        super().close()

    def _refuse_bomb(self) -> None:
        if self._offset > MAX_EXPANSION * self._file.tell() + FREE_EXPANSION_BYTES:
            raise SourceError(
                f"{self._path} expands to more than {MAX_EXPANSION} times its size, as a decompression bomb does; "
                "if it is meant to, decompress it and give the plain file"
            )
