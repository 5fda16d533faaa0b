"""Receives a multipart upload straight into its file on disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from batchor_emulator.state.file_store import PendingFile
from batchor_emulator.web.api_error import ApiError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers only

_BLOCK_BYTES = 1024 * 1024
_MAX_FIELD_BYTES = 64 * 1024


@dataclass(slots=True)
class UploadForm:
    """The plain fields of the form, and the name that the file was sent under."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None


class UploadTooLargeError(Exception):
    """The file has more bytes than allowed; its whole body was read, so that the answer arrives."""


async def receive_upload(request: Request, target: PendingFile, *, max_bytes: int) -> UploadForm:
    """Read a form, with the bytes of its part `file` going to *target*.

    At most about 1 MiB is held. Raises `ApiError` for a form that can't be read, and
    `UploadTooLargeError`.
    """
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if boundary is None:
        raise ApiError("Expected a multipart/form-data body with a boundary.")
    receiver = _Receiver(max_bytes)
    parser = MultipartParser(boundary, receiver.callbacks())
    try:
        async for chunk in request.stream():
            parser.write(chunk)
            if len(receiver.block) >= _BLOCK_BYTES:
                await _flush(receiver, target)
        parser.finalize()
    except FormParserError as error:
        raise ApiError("The multipart body could not be parsed.") from error
    await _flush(receiver, target)
    if receiver.is_too_large:
        raise UploadTooLargeError
    return receiver.form


async def _flush(receiver: _Receiver, target: PendingFile) -> None:
    block, receiver.block = receiver.block, bytearray()
    await asyncio.to_thread(target.write, block)


class _Receiver:
    """Gathers what the parser reports, part by part."""

    def __init__(self, max_bytes: int) -> None:
        self.form = UploadForm()
        self.block = bytearray()
        self.is_too_large = False
        self._max_bytes = max_bytes
        self._file_bytes = 0
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._name = ""
        self._in_file = False
        self._value = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._header_field,
            "on_header_value": self._header_content,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_part_end": self._end_part,
        }

    def _begin_part(self) -> None:
        self._disposition, self._in_file = b"", False
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_content(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file = self._name == "file"
        if self._in_file:
            if self.form.filename is not None:
                raise ApiError("Expected one 'file'.", param="file")
            self.form.filename = options.get(b"filename", b"upload").decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._value += data[start:end]
            if len(self._value) > _MAX_FIELD_BYTES:
                raise ApiError(f"The field '{self._name}' is too long.", param=self._name)
            return
        self._file_bytes += end - start
        if self._file_bytes > self._max_bytes:
            self.is_too_large = True
            self.block.clear()
        else:
            self.block += memoryview(data)[start:end]

    def _end_part(self) -> None:
        if not self._in_file:
            self.form.fields[self._name] = self._value.decode("utf-8", "replace")
