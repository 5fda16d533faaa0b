"""Which fault strikes which row of a batch."""

from __future__ import annotations

import orjson

from batchor_emulator.faults.batch_fault import Fate
from batchor_emulator.faults.draw import strikes
from batchor_emulator.faults.row_fault import LINE_KINDS, RowFault
from batchor_emulator.work.input_rows import RequestRow


class RowFate:
    """Draws by the seed, the batch's ordinal and the row's line: the same in every process.

    A row has one fault at most: the first that strikes it.
    """

    def __init__(self, fate: Fate | None) -> None:
        self._seed = (fate.seed, fate.ordinal) if fate is not None else ()
        self._faults = fate.rows if fate is not None else ()

    @property
    def strikes_answers(self) -> bool:
        """Whether any row can have a fault at its execution."""
        return any(fault.kind not in LINE_KINDS for fault in self._faults)

    @property
    def strikes_lines(self) -> bool:
        """Whether any row can have a fault when the result files are written."""
        return any(fault.kind in LINE_KINDS for fault in self._faults)

    def answer_fault(self, row: RequestRow) -> RowFault | None:
        """The fault of its answer."""
        fault = self._fault(row)
        return None if fault is None or fault.kind in LINE_KINDS else fault

    def line_fault(self, row: RequestRow) -> RowFault | None:
        """The fault of its line."""
        fault = self._fault(row)
        return fault if fault is not None and fault.kind in LINE_KINDS else None

    def _fault(self, row: RequestRow) -> RowFault | None:
        for index, fault in enumerate(self._faults):
            if (
                (not fault.lines or row.line in fault.lines)
                and (fault.containing is None or _contains(row, fault.containing))
                and strikes(fault.share, *self._seed, "rows", index, row.line)
            ):
                return fault
        return None


def _contains(row: RequestRow, text: str) -> bool:
    return text.encode() in orjson.dumps([row.custom_id, row.body])
