"""Faults of an object store, told as `ArtifactError`s with what to do.

The library's own texts are never shown: they hold request URLs, which may be signed, and answers of the store,
which may repeat an access key. Only a few words of known form are taken from them.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from batchor_core.errors import ArtifactError

_GO_ON = "then start the run again: it goes on from what is stored"
_KEYS = "check the credentials in the environment, and that they may list, get, put and delete objects there, " + _GO_ON
_BUSY = "it was asked several times; wait a while, " + _GO_ON
_REACH = "check the network and the store's endpoint (for S3: AWS_ENDPOINT_URL, AWS_REGION), " + _GO_ON
_BUCKET = "create the bucket, or correct its name in the URL, " + _GO_ON
_REGION = "set AWS_REGION to the region of the bucket, " + _GO_ON
_NO_KEYS = (
    "no credentials were found: set them in the environment (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), "
    + _GO_ON
)
_OTHERWISE = "correct that, " + _GO_ON

_REMEDIES: Mapping[str, str] = {
    "NoSuchBucket": _BUCKET,
    "ContainerNotFound": _BUCKET,
    "AuthorizationHeaderMalformed": _REGION,
    "KeyTooLongError": "give a URL with a shorter prefix",
    "the bucket is elsewhere": _REGION,
    "401": _KEYS,
    "403": _KEYS,
    "429": _BUSY,
    "500": _BUSY,
    "502": _BUSY,
    "503": _BUSY,
    "504": _BUSY,
    "http without TLS": "give an https:// endpoint, or set AWS_ALLOW_HTTP=true for a trusted network, " + _GO_ON,
    "no connection": _REACH,
    "no answer in time": _REACH,
    "the connection broke": _REACH,
    "no credentials": _NO_KEYS,
}
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})\b")
_SYSTEM = re.compile(r'\bOs \{\s*code: \d+,\s*kind: \w+,\s*message: "([^"]{1,80})"')
_SIGNS: Mapping[str, str] = {
    "incorrectly configured region": "the bucket is elsewhere",
    "BadScheme": "http without TLS",
    "kind: Connect": "no connection",
    "kind: Timeout": "no answer in time",
    "HttpError": "the connection broke",
}
_METADATA_SERVICES = ("latest/api/token", "computeMetadata", "metadata/identity")


@contextmanager
def told_as_artifact_error(action: str, *, what: str, place: str) -> Generator[None]:
    """Turn every fault of the store in the block into an `ArtifactError` about *what*."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        # Not `from error`: a traceback would print the library's text.
        raise _fault(f"cannot {action} {what} in {place}", str(error)) from None


def _fault(problem: str, text: str) -> ArtifactError:
    reasons = _reasons(text)
    remedy = next((_REMEDIES[reason] for reason in reasons if reason in _REMEDIES), _OTHERWISE)
    return ArtifactError(f"{problem}: {', '.join(reasons) or 'the store refused it'}; {remedy}")


def _reasons(text: str) -> list[str]:
    """The known words in *text*, the most telling first."""
    if any(service in text for service in _METADATA_SERVICES):
        return ["no credentials"]
    if found := _words(text, _CODE, _STATUS):
        return found
    return [*[words for sign, words in _SIGNS.items() if sign in text][:1], *_words(text, _SYSTEM)]


def _words(text: str, *patterns: re.Pattern[str]) -> list[str]:
    return [match[1] for pattern in patterns if (match := pattern.search(text))]
