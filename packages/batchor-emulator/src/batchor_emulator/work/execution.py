"""Executes the requests of a batch: rows in, lines out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import orjson

from batchor_emulator.answers.answer import Answered, answer
from batchor_emulator.answers.request_fault import RequestFaultError
from batchor_emulator.identifiers import line_digest
from batchor_emulator.state.journal import ExecutedRequest
from batchor_emulator.work.input_rows import RequestRow

_log = logging.getLogger("batchor_emulator")
_CRASH_MESSAGE = "The server had an error while processing your request."
_EXPIRED_MESSAGE = "This request could not be executed before the completion window expired."


class Executor:
    """Executes the requests of one batch. Safe in any thread; keeps nothing."""

    def __init__(self, batch_id: str, endpoint: str) -> None:
        self._batch_id = batch_id
        self._endpoint = endpoint

    def execute_all(self, rows: Iterable[RequestRow]) -> list[ExecutedRequest]:
        """Answer each row."""
        return [self.execute(row) for row in rows]

    def execute(self, row: RequestRow) -> ExecutedRequest:
        """Answer one row; whatever is wrong with its body is its answer, and its answer alone."""
        name = line_digest(self._batch_id, row.custom_id)
        body = row.body if isinstance(row.body, dict) else {}
        try:
            answered = answer(self._endpoint, body, name=name, created_at=int(time.time()))
            line = _answered_line(row.custom_id, name, answered)
        except Exception:  # noqa: BLE001 (a body that nobody thought of must not stop its batch)
            _log.exception("request %r of %s could not be answered", row.custom_id, self._batch_id)
            answered = Answered(500, RequestFaultError(_CRASH_MESSAGE, status=500).body())
            line = _answered_line(row.custom_id, name, answered)
        return ExecutedRequest(
            custom_id=row.custom_id,
            status_code=answered.status_code,
            input_tokens=answered.input_tokens,
            output_tokens=answered.output_tokens,
            line=line,
        )


def expired_line(batch_id: str, custom_id: str) -> bytes:
    """The line, without its end, of a request that was not run in time."""
    return orjson.dumps(
        {
            "id": f"batch_req_{line_digest(batch_id, custom_id)}",
            "custom_id": custom_id,
            "response": None,
            "error": {"code": "batch_expired", "message": _EXPIRED_MESSAGE},
        }
    )


def _answered_line(custom_id: str, name: str, answered: Answered) -> bytes:
    return orjson.dumps(
        {
            "id": f"batch_req_{name}",
            "custom_id": custom_id,
            "response": {"status_code": answered.status_code, "request_id": f"req_{name}", "body": answered.body},
            "error": None,
        }
    )
