"""Where the API is: which base URL is meant, and what of it is stored with a run."""

import os
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from batchor_core.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.openai.com/v1"
ENVIRONMENT_VARIABLE = "OPENAI_BASE_URL"

STORED_LOOPBACK = "loopback"
"""How every server on this machine is stored: a local one gets another port at each start."""


def resolve_base_url(explicit: str | None) -> str:
    """The base URL to use: *explicit*, else `OPENAI_BASE_URL`, else OpenAI's own."""
    if explicit is not None:
        return check_base_url(explicit, origin="base_url")
    if from_environment := os.environ.get(ENVIRONMENT_VARIABLE):
        return check_base_url(from_environment, origin=ENVIRONMENT_VARIABLE)
    return DEFAULT_BASE_URL


def check_base_url(url: str, *, origin: str) -> str:
    """*url* in its normal form; `ConfigurationError`, naming *origin*, unless a key may be sent there."""
    parts = _split(url, origin=origin)
    if parts.username is not None or parts.password is not None:
        # The URL is not shown: what stands before the @ may be a secret.
        raise ConfigurationError(f"{origin} has a user name or password in it; remove that and give api_key= instead")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{origin} {url!r} has a query or a fragment; give the plain URL, ending in /v1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise ConfigurationError(
            f"{origin} {url!r} is not an https URL; the key would be readable on its way "
            "(http is for servers on this machine only)"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def is_loopback(url: str) -> bool:
    """Whether *url* leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def base_url_to_store(url: str) -> str:
    """What is stored of a checked base URL."""
    return STORED_LOOPBACK if is_loopback(url) else url


def base_url_from_stored(stored: str) -> str:
    """The base URL that a stored run means; `ConfigurationError` when its local server is not to be found."""
    if stored != STORED_LOOPBACK:
        return check_base_url(stored, origin="the stored base_url")
    url = resolve_base_url(None)
    if not is_loopback(url):
        raise ConfigurationError(
            "this run was sent to a server on this machine, whose address is not stored; "
            f"give provider_config= with its base_url, or set {ENVIRONMENT_VARIABLE} to it"
        )
    return url


def _split(url: str, *, origin: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{origin} holds spaces, control or non-ASCII characters; give a plain URL")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigurationError(f"{origin} is not a URL; give one such as {DEFAULT_BASE_URL}") from None
    if not parts.hostname:
        raise ConfigurationError(f"{origin} names no host; give a URL such as {DEFAULT_BASE_URL}")
    return parts
