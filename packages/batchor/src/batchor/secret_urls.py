"""URLs with passwords: noticed, and shown without them."""

import re

MASK = "***"

_NAME = r"[^=&;#]*(?:pass|pwd|secret|token|key|credential|signature|(?<![a-z])sig(?![a-z]))[^=&;#]*"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_SECRET_OPTION = re.compile(rf"([?&;]{_NAME}=)[^&;#]+", re.IGNORECASE)
# Up to the last @: a password that was not percent-encoded may hold any character.
_PASSWORD = re.compile(r"(://[^:/?#@]*:).+(?=@)", re.DOTALL)


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name seems to hold a secret."""
    return _SECRET_NAME.fullmatch(name) is not None


def holds_secret(url: str) -> bool:
    """Whether the URL has a password, or an option that seems to be a secret."""
    return masked(url) != url


def masked(url: str) -> str:
    """*url* with `***` for its password, and for the values of options that seem to be secrets."""
    return _SECRET_OPTION.sub(rf"\g<1>{MASK}", _PASSWORD.sub(rf"\g<1>{MASK}", url))
