"""`/v1/files`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from batchor_emulator.faults.active import ActiveFaults
from batchor_emulator.identifiers import new_file_id
from batchor_emulator.settings import Limits
from batchor_emulator.state.file_store import FileRecord, FileStore, PendingFile
from batchor_emulator.web.api_error import ApiError, JsonResponse
from batchor_emulator.web.fields import expiry_seconds, page_limit
from batchor_emulator.web.upload import UploadForm, UploadTooLargeError, receive_upload

_PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
_MAX_PAGE = 10_000


class _Download(FileResponse):
    chunk_size = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FilesApi:
    """The handlers of the Files API."""

    files: FileStore
    limits: Limits
    faults: ActiveFaults

    async def create(self, request: Request) -> Response:
        """`POST /v1/files`."""
        pending = self.files.pending()
        try:
            form = await receive_upload(request, pending, max_bytes=self.limits.max_file_bytes)
            record = _new_record(form, pending, new_file_id(as_uuid=self.faults.profile.ids == "uuid"))
            await asyncio.to_thread(self.files.keep, pending, record)
        except UploadTooLargeError:
            message = f"File is too large: at most {self.limits.max_file_bytes:,} bytes are allowed."
            raise ApiError(message, status=413, param="file", code="file_too_large") from None
        finally:
            pending.discard()
        return JsonResponse(file_body(record))

    async def list(self, request: Request) -> Response:
        """`GET /v1/files`."""
        limit = page_limit(request, default=_MAX_PAGE, most=_MAX_PAGE)
        records = self._listed(request)
        page = list(islice(records, limit + 1))
        shown = page[:limit]
        return JsonResponse(
            {
                "object": "list",
                "data": [file_body(record) for record in shown],
                "first_id": shown[0].id if shown else None,
                "last_id": shown[-1].id if shown else None,
                "has_more": len(page) > limit,
            }
        )

    async def retrieve(self, request: Request) -> Response:
        """`GET /v1/files/{id}`."""
        return JsonResponse(file_body(self._file(request)))

    async def content(self, request: Request) -> Response:
        """`GET /v1/files/{id}/content`; knows `Range`."""
        record = self._file(request)
        return _Download(self.files.content_path(record.id), media_type="application/octet-stream")

    async def delete(self, request: Request) -> Response:
        """`DELETE /v1/files/{id}`."""
        record = self._file(request)
        await asyncio.to_thread(self.files.delete, record.id)
        return JsonResponse({"id": record.id, "object": "file", "deleted": True})

    def _file(self, request: Request) -> FileRecord:
        file_id = request.path_params["file_id"]
        record = self.files.get(file_id)
        if record is None:
            raise ApiError(f"No such File object: {file_id}", status=404, param="id")
        return record

    def _listed(self, request: Request) -> Iterable[FileRecord]:
        records: Iterable[FileRecord] = self.files.newest_first()
        if request.query_params.get("order") == "asc":
            records = reversed(list(records))
        purpose = request.query_params.get("purpose")
        if purpose is not None:
            records = (record for record in records if record.purpose == purpose)
        after = request.query_params.get("after")
        return records if after is None else _behind(records, after)


def file_body(record: FileRecord) -> dict[str, object]:
    """A file as the API shows it."""
    return {
        "id": record.id,
        "object": "file",
        "bytes": record.bytes,
        "created_at": int(record.created_at),
        "expires_at": None if record.expires_at is None else int(record.expires_at),
        "filename": record.filename,
        "purpose": record.purpose,
        "status": "processed",
        "status_details": None,
    }


def _behind(records: Iterable[FileRecord], after: str) -> Iterable[FileRecord]:
    iterator = iter(records)
    if all(record.id != after for record in iterator):
        raise ApiError(f"No such File object: {after}", status=404, param="after")
    return iterator


def _new_record(form: UploadForm, pending: PendingFile, file_id: str) -> FileRecord:
    purpose = form.fields.get("purpose")
    if form.filename is None:
        raise ApiError("'file' is a required property", param="file")
    if purpose not in _PURPOSES:
        raise ApiError(f"{purpose!r} is not one of {list(_PURPOSES)} - 'purpose'", param="purpose")
    if purpose == "batch" and not form.filename.endswith(".jsonl"):
        raise ApiError("Invalid file format for Batch API. Must be .jsonl", param="file")
    now = time.time()
    return FileRecord(
        id=file_id,
        filename=form.filename,
        purpose=purpose,
        bytes=pending.byte_count,
        created_at=now,
        expires_at=_expires_at(form, now),
    )


def _expires_at(form: UploadForm, now: float) -> float | None:
    anchor, seconds = form.fields.get("expires_after[anchor]"), form.fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    return now + expiry_seconds(anchor, seconds, param="expires_after")
