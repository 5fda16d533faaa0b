"""A batch as the API shows it, read from the bytes of its answer.

Other servers leave fields out, give null or empty strings, and have statuses and ids of their own.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from batchor_core.domain.batch import LineFault, RemoteBatch
from batchor_core.errors import RefusalConsequence
from batchor_openai.errors import QUOTA_CODES, scrub

_ENDED = ("completed", "failed", "expired", "cancelled", "canceled")
"""Every other status, also an unknown one, is looked at again."""


class _Batch(msgspec.Struct):
    id: str
    status: Any = None
    input_file_id: Any = None
    output_file_id: Any = None
    error_file_id: Any = None
    created_at: Any = None
    metadata: Any = None
    errors: Any = None


class _Page(msgspec.Struct):
    data: list[_Batch] | None = None
    has_more: Any = None


class BatchPage(NamedTuple):
    """Some of the account's batches, and the id to go on from; None on the last page."""

    batches: tuple[RemoteBatch, ...]
    next_after: str | None


class _File(msgspec.Struct):
    id: str


_BATCH = msgspec.json.Decoder(_Batch)
_PAGE = msgspec.json.Decoder(_Page)
_FILE = msgspec.json.Decoder(_File)


def read_batch(content: bytes) -> RemoteBatch:
    """`ValueError` for bytes that show no batch."""
    return _remote(_BATCH.decode(content))


def read_page(content: bytes) -> BatchPage:
    """`ValueError` for bytes that show no list of batches."""
    page = _PAGE.decode(content)
    batches = tuple(map(_remote, page.data or ()))
    is_last = not batches or page.has_more is False
    return BatchPage(batches, None if is_last else batches[-1].provider_batch_id)


def read_file_id(content: bytes) -> str:
    """`ValueError` for bytes that show no file."""
    file_id = _FILE.decode(content).id
    if not file_id:
        raise ValueError("the file has no id")
    return file_id


def _remote(batch: _Batch) -> RemoteBatch:
    if not batch.id:
        raise ValueError("the batch has no id")
    return RemoteBatch(
        provider_batch_id=batch.id,
        provider_status=_text(batch.status) or "unknown",
        ended=batch.status in _ENDED,
        input_file_id=_text(batch.input_file_id),
        output_file_id=_text(batch.output_file_id),
        error_file_id=_text(batch.error_file_id),
        created_at=_time(batch.created_at),
        metadata=_metadata(batch.metadata),
        faults=_faults(batch.errors),
    )


def _text(value: object) -> str | None:
    return value.replace("\x00", "\ufffd") if isinstance(value, str) and value else None


def _words(value: object) -> str | None:
    """Text that people read: in one line, short, and without a key."""
    text = _text(value)
    return None if text is None else scrub(text, None)


def _time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _faults(errors: object) -> tuple[LineFault, ...]:
    data = errors.get("data") if isinstance(errors, dict) else errors
    return tuple(_fault(entry) for entry in data if isinstance(entry, dict)) if isinstance(data, list) else ()


def _fault(entry: dict[str, Any]) -> LineFault:
    line = entry.get("line")
    code = _words(entry.get("code"))
    return LineFault(
        code=code,
        message=_words(entry.get("message")) or "the provider gave no reason",
        line=line if type(line) is int and line >= 1 else None,
        param=_words(entry.get("param")),
        # The queue of enqueued tokens empties by itself as batches end.
        transient=code == "token_limit_exceeded",
        pause_reason=RefusalConsequence.QUOTA.value if code in QUOTA_CODES else None,
    )
