"""`/emulator/faults` and what belongs to it. No key is needed."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from batchor_emulator.faults.active import ActiveFaults
from batchor_emulator.faults.presets import PRESETS, preset
from batchor_emulator.faults.profile import FaultProfile, FaultProfileError, read_profile, write_profile
from batchor_emulator.state.batch_store import BatchStore
from batchor_emulator.web.api_error import ApiError, JsonResponse
from batchor_emulator.web.fields import checked_metadata, json_object, limited_body
from batchor_emulator.work.foreign_batches import add_foreign_batches

_MAX_FOREIGN_BATCHES = 10_000


@dataclass(frozen=True, slots=True)
class FaultsApi:
    """The handlers of the routes that make things go wrong."""

    faults: ActiveFaults
    batches: BatchStore

    async def show(self, _request: Request) -> Response:
        """`GET /emulator/faults`: the profile in force, as `PUT` takes it."""
        return _json(write_profile(self.faults.profile))

    async def replace(self, request: Request) -> Response:
        """`PUT /emulator/faults`: another profile, for this process; `?preset=NAME` takes one with a name."""
        name = request.query_params.get("preset")
        try:
            profile = preset(name) if name else read_profile(await limited_body(request), name="the request body")
        except FaultProfileError as error:
            raise ApiError(str(error)) from None
        self.faults.replace(profile)
        return _json(write_profile(profile))

    async def clear(self, _request: Request) -> Response:
        """`DELETE /emulator/faults`: nothing goes wrong any more, but for batches that have their fate."""
        self.faults.replace(FaultProfile())
        return Response(status_code=204)

    async def struck(self, _request: Request) -> Response:
        """`GET /emulator/faults/struck`: how often each call fault and batch fault has struck."""
        return JsonResponse(self.faults.struck())

    async def presets(self, _request: Request) -> Response:
        """`GET /emulator/fault-presets`: every named profile."""
        return _json(b"{%b}" % b",".join(b'"%b":%b' % (n.encode(), write_profile(p)) for n, p in PRESETS.items()))

    async def add_foreign_batches(self, request: Request) -> Response:
        """`POST /emulator/foreign-batches` with `{"count": …, "metadata": …}`: other teams' batches, completed."""
        body = await json_object(request)
        count = body.get("count")
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MAX_FOREIGN_BATCHES:
            raise ApiError(f"Expected a 'count' between 1 and {_MAX_FOREIGN_BATCHES:,}.", param="count")
        ids = await add_foreign_batches(self.batches, count, checked_metadata(body.get("metadata")))
        return JsonResponse({"batch_ids": ids})


def _json(data: bytes) -> Response:
    return Response(data, media_type="application/json")
