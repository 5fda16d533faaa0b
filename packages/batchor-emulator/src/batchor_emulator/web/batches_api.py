"""`/v1/batches`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from batchor_emulator.answers.answer import ENDPOINTS
from batchor_emulator.faults.active import ActiveFaults
from batchor_emulator.identifiers import new_batch_id
from batchor_emulator.settings import Timing
from batchor_emulator.state.batch_record import BatchRecord, IllegalTransitionError
from batchor_emulator.state.batch_status import BatchStatus
from batchor_emulator.state.batch_store import BatchStore
from batchor_emulator.state.file_store import FileStore
from batchor_emulator.web.api_error import ApiError, JsonResponse
from batchor_emulator.web.batch_body import batch_body
from batchor_emulator.web.fields import checked_metadata, expiry_seconds, json_object, page_limit, required_text
from batchor_emulator.work.engine import Engine
from batchor_emulator.work.foreign_batches import add_foreign_batches

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
    faults: ActiveFaults

    async def create(self, request: Request) -> Response:
        """`POST /v1/batches`."""
        batch = self._new_batch(await json_object(request))
        await self.batches.add(batch)
        self.engine.launch(batch.id)
        await add_foreign_batches(self.batches, self.faults.profile.foreign_batches_per_create)
        return JsonResponse(batch_body(batch))

    async def list(self, request: Request) -> Response:
        """`GET /v1/batches`, newest first."""
        limit = page_limit(request, default=_DEFAULT_PAGE, most=_MAX_PAGE)
        after = request.query_params.get("after")
        newest = time.time() - self.faults.profile.list_lag_s
        page = self.batches.page(after=after, limit=limit, created_until=newest)
        if page is None:
            raise ApiError(f"No batch found with id '{after}'.", status=404, param="after")
        return JsonResponse(
            {
                "object": "list",
                "data": [batch_body(batch) for batch in page.batches if not _has_vanished(batch)],
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
        if batch is None or _has_vanished(batch):
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
            id=new_batch_id(as_uuid=self.faults.profile.ids == "uuid"),
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=window,
            created_at=now,
            expires_at=now + self.timing.completion_window_s,
            metadata=metadata,
            output_expires_after_s=output_expires_after_s,
            fate=self.faults.of_new_batch(),
        )

    def _input_file_id(self, file_id: str) -> str:
        record = self.files.get(file_id)
        if record is None or time.time() < record.created_at + self.faults.profile.file_lag_s:
            raise ApiError(f"Cannot find file {file_id}.", param="input_file_id", code="invalid_value")
        if record.purpose != "batch":
            message = f"The file {file_id} has the purpose '{record.purpose}'; a batch needs 'batch'."
            raise ApiError(message, param="input_file_id", code="invalid_value")
        return record.id


def _has_vanished(batch: BatchRecord) -> bool:
    fate = batch.fate
    return (
        fate is not None and fate.vanish_after_s is not None and time.time() >= batch.created_at + fate.vanish_after_s
    )


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
