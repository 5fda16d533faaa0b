"""Executes the requests of a batch: rows in, lines out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from batchor_emulator.answers.answer import Answered, answer
from batchor_emulator.answers.request_fault import RequestFaultError
from batchor_emulator.faults.batch_fault import Fate
from batchor_emulator.identifiers import line_digest
from batchor_emulator.state.journal import ExecutedRequest
from batchor_emulator.work.answer_faults import spoil
from batchor_emulator.work.input_rows import RequestRow
from batchor_emulator.work.result_lines import answered_line
from batchor_emulator.work.row_fate import RowFate

_log = logging.getLogger("batchor_emulator")
_CRASH_MESSAGE = "The server had an error while processing your request."


class Executor:
    """Executes the requests of one batch. Safe in any thread; keeps nothing."""

    def __init__(self, batch_id: str, endpoint: str, fate: Fate | None) -> None:
        self._batch_id = batch_id
        self._endpoint = endpoint
        row_fate = RowFate(fate)
        self._row_fate = row_fate if row_fate.strikes_answers else None

    def execute_all(self, rows: Iterable[RequestRow]) -> list[ExecutedRequest]:
        """Answer each row."""
        return [self.execute(row) for row in rows]

    def execute(self, row: RequestRow) -> ExecutedRequest:
        """Answer one row; whatever is wrong with its body is its answer, and its answer alone."""
        name = line_digest(self._batch_id, row.custom_id)
        body = row.body if isinstance(row.body, dict) else {}
        try:
            answered = answer(self._endpoint, body, name=name, created_at=int(time.time()))
            line = answered_line(row.custom_id, name, answered.status_code, answered.body)
        except Exception:  # noqa: BLE001 (a body that nobody thought of must not stop its batch)
            _log.exception("request %r of %s could not be answered", row.custom_id, self._batch_id)
            answered = Answered(500, RequestFaultError(_CRASH_MESSAGE, status=500).body())
            line = answered_line(row.custom_id, name, answered.status_code, answered.body)
        if self._row_fate is not None and (fault := self._row_fate.answer_fault(row)) is not None:
            answered, line = spoil(fault, answered, row.custom_id, name)
        return ExecutedRequest(
            custom_id=row.custom_id,
            status_code=answered.status_code,
            input_tokens=answered.input_tokens,
            output_tokens=answered.output_tokens,
            line=line,
        )
