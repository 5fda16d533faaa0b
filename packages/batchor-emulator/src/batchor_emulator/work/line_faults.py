"""What becomes of a line on its way into a result file."""

from __future__ import annotations

from collections.abc import Iterator

from batchor_emulator.faults.row_fault import RowFaultKind
from batchor_emulator.state.batch_record import BatchRecord
from batchor_emulator.state.journal import ExecutedRequest, Journal
from batchor_emulator.state.workspace import Workspace
from batchor_emulator.work.input_rows import InputRows, RequestRow
from batchor_emulator.work.result_lines import answered_line
from batchor_emulator.work.row_fate import RowFate

_UNKNOWN_ID = "nobody-sent-this"
_GARBAGE = (
    b"",
    b"null",
    b"[]",
    b"17",
    b'{"id": "batch_req_1"}',
    b'{"custom_id": null, "response": 3}',
    b"\xff\xfe\x00 not UTF-8",
    b"[" * 100_000,
    b"<html>502 Bad Gateway</html>",
)


def delivered_lines(batch: BatchRecord, workspace: Workspace) -> Iterator[tuple[ExecutedRequest, list[bytes]]]:
    """Each executed request with the lines that its result file gets for it: one, unless faults strike."""
    executed = (request for _, request in Journal(workspace.journal_path).read())
    fate = RowFate(batch.fate)
    if not fate.strikes_lines or not batch.tally.executed:
        for request in executed:
            yield request, [request.line]
        return
    rows = InputRows(workspace.input_path, batch.id)
    # The journal is written in the order in which the rows are read.
    for request, row in zip(executed, rows.read(0, batch.tally.executed), strict=True):
        yield request, _lines(request.line, row, fate)


def _lines(line: bytes, row: RequestRow, fate: RowFate) -> list[bytes]:
    fault = fate.line_fault(row)
    match fault and fault.kind:
        case RowFaultKind.LOST:
            return []
        case RowFaultKind.DUPLICATE:
            return [line, line]
        case RowFaultKind.GARBAGE:
            kinds = (*_GARBAGE, line[: len(line) // 2])
            return [kinds[row.line % len(kinds)]]
        case RowFaultKind.UNKNOWN_ID:
            return [line, answered_line(f"{_UNKNOWN_ID}-{row.line}", "unknown", 200, {})]
        case _:
            return [line]
