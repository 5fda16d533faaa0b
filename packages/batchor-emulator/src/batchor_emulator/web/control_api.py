"""`/health` and `/emulator/…`: what a test asks the emulator about itself. No key is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from batchor_emulator.ledger import read_ledger
from batchor_emulator.web.api_error import JsonResponse
from batchor_emulator.web.gate import Gate
from batchor_emulator.work.token_ledger import TokenLedger

_ENTRIES_PER_BLOCK = 1_000


@dataclass(frozen=True, slots=True)
class ControlApi:
    """The handlers of the control routes."""

    state_dir: Path
    gate: Gate
    token_ledger: TokenLedger

    async def health(self, _request: Request) -> Response:
        """`GET /health`."""
        return JsonResponse({"status": "ok"})

    async def ledger(self, _request: Request) -> Response:
        """`GET /emulator/ledger`: one JSON line per executed request."""
        return StreamingResponse(_ledger_blocks(self.state_dir), media_type="application/x-ndjson")

    async def requests(self, _request: Request) -> Response:
        """`GET /emulator/requests`: how often each route was called since the start."""
        return JsonResponse(dict(self.gate.calls))

    async def tokens(self, _request: Request) -> Response:
        """`GET /emulator/tokens`: prompt tokens that are enqueued, by model, and the most that ever were."""
        return JsonResponse({"enqueued": self.token_ledger.enqueued, "highest": self.token_ledger.highest})


def _ledger_blocks(state_dir: Path) -> Iterator[bytes]:
    block: list[bytes] = []
    for entry in read_ledger(state_dir):
        block.append(orjson.dumps(dataclasses.asdict(entry), option=orjson.OPT_APPEND_NEWLINE))
        if len(block) == _ENTRIES_PER_BLOCK:
            yield b"".join(block)
            block.clear()
    yield b"".join(block)
