"""Spoils the answer of a row. The row was executed, and its ledger entry has the status that its line has."""

from __future__ import annotations

from typing import Any, assert_never

import orjson

from batchor_emulator.answers.answer import Answered
from batchor_emulator.faults.row_fault import RowFault, RowFaultKind
from batchor_emulator.work.result_lines import answered_line

_REFUSAL = "I'm sorry, but I can't help with that."
_PROSE = "Sure! Here is what you asked for:\n"
_MARK = "@@bad-text@@"
_NUL_AND_LONE_SURROGATE = b"\\u0000 \\ud800"


def spoil(fault: RowFault, answered: Answered, custom_id: str, name: str) -> tuple[Answered, bytes]:
    """The answer, and its line, of a row that *fault* strikes. A request that has failed anyway stays as it is."""
    if answered.status_code != 200:
        return answered, answered_line(custom_id, name, answered.status_code, answered.body)
    match fault.kind:
        case RowFaultKind.ERROR:
            failed = Answered(fault.status_code, _error_body(fault))
            return failed, answered_line(custom_id, name, failed.status_code, failed.body)
        case RowFaultKind.NO_RESPONSE_KEY:
            return Answered(fault.status_code, {}), _line_without_response(fault, custom_id, name)
        case RowFaultKind.ZERO_STATUS:
            return Answered(0, {}), answered_line(custom_id, name, 0, "")
        case RowFaultKind.STRING_BODY:
            return answered, answered_line(custom_id, name, 200, orjson.dumps(answered.body).decode())
        case _:
            _spoil_body(fault, answered.body)
            line = answered_line(custom_id, name, 200, answered.body)
            return answered, line.replace(_MARK.encode(), _NUL_AND_LONE_SURROGATE)


def _spoil_body(fault: RowFault, body: dict[str, Any]) -> None:
    answer = _AnswerText(body)
    match fault.kind:
        case RowFaultKind.REFUSAL:
            answer.refuse()
        case RowFaultKind.EMPTY:
            answer.write("")
        case RowFaultKind.TRUNCATED:
            answer.write(answer.read()[: len(answer.read()) // 2])
            answer.mark_cut()
        case RowFaultKind.PROSE:
            answer.write(_PROSE + answer.read())
        case RowFaultKind.BAD_TEXT:
            answer.write(f"{_MARK} {answer.read()}")
        case RowFaultKind.HUGE:
            answer.write(answer.read() + "x" * fault.bytes)
        case (
            RowFaultKind.ERROR
            | RowFaultKind.NO_RESPONSE_KEY
            | RowFaultKind.ZERO_STATUS
            | RowFaultKind.STRING_BODY
            | RowFaultKind.LOST
            | RowFaultKind.DUPLICATE
            | RowFaultKind.GARBAGE
            | RowFaultKind.UNKNOWN_ID
        ):
            raise AssertionError(f"{fault.kind} does not change the text of an answer")
        case _:
            assert_never(fault.kind)


class _AnswerText:
    """The text in a body that this package has written; an embedding has none, and stays as it is."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._choice = body["choices"][0] if "choices" in body else None
        self._message = body["output"][0] if "output" in body else None

    def read(self) -> str:
        if self._choice is not None:
            return str(self._choice["message"]["content"])
        return "" if self._message is None else str(self._message["content"][0]["text"])

    def write(self, text: str) -> None:
        if self._choice is not None:
            self._choice["message"]["content"] = text
        elif self._message is not None:
            self._message["content"][0]["text"] = text

    def refuse(self) -> None:
        if self._choice is not None:
            self._choice["message"] |= {"content": None, "refusal": _REFUSAL}
        elif self._message is not None:
            self._message["content"] = [{"type": "refusal", "refusal": _REFUSAL}]

    def mark_cut(self) -> None:
        if self._choice is not None:
            self._choice["finish_reason"] = "length"
        elif self._message is not None:
            self._message["status"] = "incomplete"
            self._body |= {
                "status": "incomplete",
                "completed_at": None,
                "incomplete_details": {"reason": "max_output_tokens"},
            }


def _error_body(fault: RowFault) -> dict[str, object]:
    return {
        "error": {
            "message": _error_message(fault),
            "type": "server_error" if fault.status_code >= 500 else "invalid_request_error",
            "param": None,
            "code": fault.code,
        }
    }


def _line_without_response(fault: RowFault, custom_id: str, name: str) -> bytes:
    error = {"code": fault.code or str(fault.status_code), "message": _error_message(fault)}
    return orjson.dumps({"id": f"batch_req_{name}", "custom_id": custom_id, "error": error})


def _error_message(fault: RowFault) -> str:
    return f"The request failed with status {fault.status_code}."
