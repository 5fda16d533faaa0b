"""Output lines to outcomes: pure, in one pass, and never failing.

An item's fate hangs on the *outcome*: whether the model answered (an attempt is used up), whether the provider had a
fault (the request is sent again), or whether the request itself can never work.
"""

import re

import msgspec

from batchor_core.domain.output_line import LineOutcome, OutputLine
from batchor_openai.answers import Answer, read_chat, read_response, read_usage
from batchor_openai.errors import scrub
from batchor_openai.response_shapes import BODY, LINE, Body, Fault, Line, Response

# Tuples where the value may be of any type: what has no hash cannot be looked for in a set.
_NOT_RUN_CODES = ("batch_expired", "batch_cancelled", "batch_canceled", "batch_failed")
_UNFINISHED = ("failed", "cancelled", "queued", "in_progress")
_PROVIDER_STATUSES = frozenset({0, 408, 409, 429})
_REQUEST_FAULTS = re.compile(
    r"invalid|unsupported|not_found|exceeded_?context|context_length|policy|too_large|too_long"
)
_TRANSIENT_FAULTS = re.compile(r"rate_limit|server_error|timeout|unavailable|overloaded|internal")
_MAX_MESSAGE_CHARACTERS = 1000
# A quote inside of a JSON string is escaped, so this matches keys only.
_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([\x20-\x7e]{1,256}?)"')


def decode_line(line: bytes) -> OutputLine:
    """What *line* says of its request, in any shape; never raises."""
    try:
        return _read_line(LINE.decode(line))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _unreadable(_find_custom_id(line), f"the line is not JSON that can be read: {error}")


def _read_line(line: Line) -> OutputLine:
    custom_id = line.custom_id if isinstance(line.custom_id, str) and "\x00" not in line.custom_id else None
    error, response = line.error, line.response
    if isinstance(error, Fault) and error.code in _NOT_RUN_CODES:
        return _failed(custom_id, LineOutcome.NOT_RUN, error, None)
    if not isinstance(response, Response):
        return _read_fault(custom_id, error)
    status = _status(response.status_code)
    body = _body(response.body)
    if status is None or 200 <= status <= 299:
        return _read_body(custom_id, status, body, error)
    fault = _fault_of(body) or _given(error)
    is_final = 400 <= status <= 499 and status not in _PROVIDER_STATUSES
    return _failed(custom_id, LineOutcome.REQUEST_FAILED if is_final else LineOutcome.PROVIDER_FAILED, fault, status)


def _read_body(custom_id: str | None, status: int | None, body: Body | None, error: object) -> OutputLine:
    if body is None:
        return _read_fault(custom_id, error)
    if isinstance(body.choices, list):
        return _answer(custom_id, status, body, read_chat(body.choices))
    if isinstance(body.output, list) and body.status not in _UNFINISHED:
        return _answer(custom_id, status, body, read_response(body, body.output))
    fault = _fault_of(body) or _given(error)
    if fault is None and body.status in _UNFINISHED:
        fault = Fault(message=f"the response ended as {body.status}")
    if fault is None:
        return _unreadable(custom_id, "the body has neither choices nor output; is it of another endpoint?")
    return _read_fault(custom_id, fault)


def _read_fault(custom_id: str | None, error: object) -> OutputLine:
    """An error without an HTTP status: judged by its code, an open set; unknown ones are worth another try."""
    fault = _given(error)
    if fault is None:
        return _unreadable(custom_id, "the line has neither a response nor an error")
    status = _status(fault.code)
    words = f"{fault.code} {fault.type}"
    is_final = _REQUEST_FAULTS.search(words) is not None and _TRANSIENT_FAULTS.search(words) is None
    if status is not None:
        is_final = 400 <= status <= 499 and status not in _PROVIDER_STATUSES
    return _failed(custom_id, LineOutcome.REQUEST_FAILED if is_final else LineOutcome.PROVIDER_FAILED, fault, status)


def _answer(custom_id: str | None, status: int | None, body: Body, answer: Answer) -> OutputLine:
    if answer.text is not None and "\x00" in answer.text:
        return _unreadable(custom_id, "the answer holds a NUL character, which databases refuse")
    return OutputLine(
        custom_id,
        answer.outcome,
        answer.text,
        _clean(answer.finish_reason),
        read_usage(body.usage),
        _clean(answer.message),
        None,
        status,
    )


def _failed(custom_id: str | None, outcome: LineOutcome, fault: Fault | None, status: int | None) -> OutputLine:
    code = None if fault is None else _code(fault)
    message = fault.message if fault is not None and isinstance(fault.message, str) and fault.message else None
    return OutputLine(
        custom_id,
        outcome,
        # Some servers repeat the key that they refuse.
        message=scrub(message or f"the provider gave no reason (code {code}, status {status})", None),
        code=_clean(code),
        status_code=status,
    )


def _unreadable(custom_id: str | None, problem: str) -> OutputLine:
    return OutputLine(custom_id, LineOutcome.UNREADABLE, message=_clean(problem))


def _body(body: object) -> Body | None:
    if isinstance(body, str) and body.strip():
        return BODY.decode(body)
    return body if isinstance(body, Body) else None


def _given(error: object) -> Fault | None:
    if isinstance(error, str) and error:
        return Fault(message=error)
    return error if isinstance(error, Fault) else None


def _fault_of(body: Body | None) -> Fault | None:
    if body is None:
        return None
    return _given(body.error) or (Fault(message=body.message) if isinstance(body.message, str) else None)


def _status(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        return int(value)
    return value if type(value) is int and 0 <= value <= 999 else None


def _code(fault: Fault) -> str | None:
    for value in (fault.code, fault.type):
        if isinstance(value, str | int) and value != "":
            return str(value)
    return None


def _clean(text: str | None) -> str | None:
    """*text* as it can be stored: without NUL, and no longer than a message needs to be."""
    return None if text is None else text[:_MAX_MESSAGE_CHARACTERS].replace("\x00", "\ufffd")


def _find_custom_id(line: bytes) -> str | None:
    """Which request a line names that is not JSON; None unless it names exactly one."""
    found = set(_CUSTOM_ID.findall(line))
    return found.pop().decode("ascii") if len(found) == 1 else None
