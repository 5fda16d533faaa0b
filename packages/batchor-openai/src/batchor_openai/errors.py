"""The SDK's errors as batchor's: what matters is whether the provider may have acted."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from batchor_core.errors import (
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderUnavailableError,
    RefusalConsequence,
)

_MAX_MESSAGE_CHARACTERS = 500
QUOTA_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_UNCLEAR_STATUSES = frozenset({408, 409})
# Right after an upload a create may not see the file yet, and says so with a 400.
_FILE_NOT_SEEN_YET = re.compile(r"(cannot|can't|could not) find (the )?(input )?file|no such file", re.IGNORECASE)
_SECRETS = re.compile(r"\bsk-[\w*.…-]+|\bbearer\s+[^\s\"',;]+|[^\s\"',;]*\*{3,}[^\s\"',;]*", re.IGNORECASE)

_REMEDIES: Mapping[RefusalConsequence, str] = {
    RefusalConsequence.AUTH: "check the key and what its project may do",
    RefusalConsequence.QUOTA: "raise the quota or the billing limit of the account",
    RefusalConsequence.NOT_FOUND: "the key may belong to another project than the one that made it",
}


class Refusal(NamedTuple):
    """An HTTP answer that is an error."""

    status_code: int
    code: str | None
    type: str | None
    message: str
    headers: Mapping[str, str]


def scrub(text: str, key: str | None) -> str:
    """*text* in one line, without the key, parts of a key, or an Authorization header."""
    if key:
        text = text.replace(key, "***")
    # Cut twice: the search for secrets takes time by the square of the length.
    text = _SECRETS.sub("***", text[: 4 * _MAX_MESSAGE_CHARACTERS])
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else text[:_MAX_MESSAGE_CHARACTERS] + "…"


def refusal_error(call: str, refusal: Refusal, *, key: str | None) -> ProviderError:
    """The error for an HTTP answer of 3xx, 4xx or 5xx."""
    status, code = refusal.status_code, refusal.code or refusal.type
    code = scrub(code, key) if code else None
    said = f"{call}: HTTP {status}{f' {code}' if code else ''}: {scrub(refusal.message, key)}"
    if refusal.code in QUOTA_CODES or refusal.type in QUOTA_CODES:
        return _refused(said, RefusalConsequence.QUOTA, status, code)
    if status == 429 or (status == 400 and _FILE_NOT_SEEN_YET.search(refusal.message)):
        return ProviderThrottledError(
            f"{said}; it is tried again later",
            status_code=status,
            code=code,
            retry_after_s=retry_after_s(refusal.headers),
        )
    if status >= 500 or status in _UNCLEAR_STATUSES:
        return ProviderUnavailableError(
            f"{said}; it may or may not have acted",
            status_code=status,
            code=code,
            retry_after_s=retry_after_s(refusal.headers),
        )
    return _refused(said, _consequence(status), status, code)


def unclear_error(call: str, problem: str, *, key: str | None) -> ProviderError:
    """The error for a call without an answer, or with one that says nothing."""
    return ProviderUnavailableError(f"{call}: {scrub(problem, key)}; it may or may not have acted")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header, a date in it measured from the answer's own Date; None where there is none."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        return _seconds_until(text, headers.get("date", ""))
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _seconds_until(then: str, now: str) -> float | None:
    try:
        return max((parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _consequence(status: int) -> RefusalConsequence:
    match status:
        case 401 | 403:
            return RefusalConsequence.AUTH
        case 404:
            return RefusalConsequence.NOT_FOUND
        case _:
            return RefusalConsequence.REQUEST


def _refused(said: str, consequence: RefusalConsequence, status: int, code: str | None) -> ProviderRefusedError:
    remedy = "base_url leads elsewhere: give the final URL" if 300 <= status <= 399 else _REMEDIES.get(consequence)
    message = f"{said}; {remedy}" if remedy else said
    return ProviderRefusedError(message, consequence=consequence, status_code=status, code=code)
