"""`/v1/batches`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from batchor_emulator.answers.answer import ENDPOINTS
from batchor_emulator.identifiers import new_batch_id
from batchor_emulator.settings import Timing
from batchor_emulator.state.batch_record import BatchRecord, IllegalTransitionError
from batchor_emulator.state.batch_status import BatchStatus
from batchor_emulator.state.batch_store import BatchStore
from batchor_emulator.state.file_store import FileStore
from batchor_emulator.web.api_error import ApiError, JsonResponse
from batchor_emulator.web.fields import checked_metadata, expiry_seconds, json_object, page_limit, required_text
from batchor_emulator.work.engine import Engine

_PARAMETERS = frozenset({"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"})
_COMPLETION_WINDOW = "24h"
_DEFAULT_PAGE = 20
_MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class BatchesApi:
    """The handlers of the Batches API."""

    batches: BatchStore
    files: FileStore
    engine: Engine
    timing: Timing

    async def create(self, request: Request) -> Response:
        """`POST /v1/batches`."""
        batch = self._new_batch(await json_object(request))
        await self.batches.add(batch)
        self.engine.launch(batch.id)
        return JsonResponse(batch_body(batch))

    async def list(self, request: Request) -> Response:
        """`GET /v1/batches`, newest first."""
        limit = page_limit(request, default=_DEFAULT_PAGE, most=_MAX_PAGE)
        after = request.query_params.get("after")
        page = self.batches.page(after=after, limit=limit)
        if page is None:
            raise ApiError(f"No batch found with id '{after}'.", status=404, param="after")
        return JsonResponse(
            {
                "object": "list",
                "data": [batch_body(batch) for batch in page.batches],
                "first_id": page.batches[0].id if page.batches else None,
                "last_id": page.batches[-1].id if page.batches else None,
                "has_more": page.has_more,
            }
        )

    async def retrieve(self, request: Request) -> Response:
        """`GET /v1/batches/{id}`."""
        return JsonResponse(batch_body(self._batch(request)))

    async def cancel(self, request: Request) -> Response:
        """`POST /v1/batches/{id}/cancel`; asking again while it is cancelling is fine."""
        batch = self._batch(request)
        if batch.status is not BatchStatus.CANCELLING:
            try:
                batch = await self.engine.cancel(batch.id)
            except IllegalTransitionError as error:
                raise ApiError(f"Cannot cancel a batch with status '{error.batch.status}'.") from None
        return JsonResponse(batch_body(batch))

    def _batch(self, request: Request) -> BatchRecord:
        batch_id = request.path_params["batch_id"]
        batch = self.batches.get(batch_id)
        if batch is None:
            raise ApiError(f"No batch found with id '{batch_id}'.", status=404)
        return batch

    def _new_batch(self, body: dict[str, object]) -> BatchRecord:
        for name in sorted(body.keys() - _PARAMETERS):
            raise ApiError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        endpoint = _one_of(required_text(body, "endpoint"), tuple(ENDPOINTS), "endpoint")
        window = _one_of(required_text(body, "completion_window"), (_COMPLETION_WINDOW,), "completion_window")
        metadata = checked_metadata(body.get("metadata"))
        output_expires_after_s = _output_expiry(body.get("output_expires_after"))
        input_file_id = self._input_file_id(required_text(body, "input_file_id"))
        now = time.time()
        return BatchRecord(
            id=new_batch_id(),
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=window,
            created_at=now,
            expires_at=now + self.timing.completion_window_s,
            metadata=metadata,
            output_expires_after_s=output_expires_after_s,
        )

    def _input_file_id(self, file_id: str) -> str:
        record = self.files.get(file_id)
        if record is None:
            raise ApiError(f"Cannot find file {file_id}.", param="input_file_id", code="invalid_value")
        if record.purpose != "batch":
            message = f"The file {file_id} has the purpose '{record.purpose}'; a batch needs 'batch'."
            raise ApiError(message, param="input_file_id", code="invalid_value")
        return record.id


def batch_body(batch: BatchRecord) -> dict[str, object]:
    """A batch as the API shows it."""
    body: dict[str, object] = {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": _errors(batch),
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        "request_counts": {
            "total": batch.total,
            "completed": batch.tally.completed,
            "failed": batch.tally.failed,
        },
        "metadata": batch.metadata,
        "usage": _usage(batch),
    }
    for status in BatchStatus:
        if status is not BatchStatus.VALIDATING:
            entered_at = batch.entered_at.get(status)
            body[f"{status}_at"] = None if entered_at is None else int(entered_at)
    return body


def _errors(batch: BatchRecord) -> dict[str, object] | None:
    if not batch.faults:
        return None
    return {"object": "list", "data": batch.faults}


def _usage(batch: BatchRecord) -> dict[str, object]:
    tally = batch.tally
    return {
        "input_tokens": tally.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tally.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tally.input_tokens + tally.output_tokens,
    }


def _one_of(value: str, supported: tuple[str, ...], param: str) -> str:
    if value not in supported:
        names = ", ".join(f"'{name}'" for name in supported)
        raise ApiError(f"Invalid value: '{value}'. Supported values are: {names}.", param=param, code="invalid_value")
    return value


def _output_expiry(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ApiError("Invalid type for 'output_expires_after'.", param="output_expires_after", code="invalid_type")
    return expiry_seconds(value.get("anchor"), value.get("seconds"), param="output_expires_after")
