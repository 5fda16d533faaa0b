"""Where the database is: an URL from the user, which may hold a password, and what may be shown of it."""

import os
import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from batchor_core.errors import ConfigurationError

VARIABLE = "BATCHOR_STORAGE_URL"

_DRIVERS = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
# PostgreSQL cuts off longer names, and lets no user make one that begins with pg_.
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}", re.ASCII)


def parse_url(url: str | None) -> URL:
    """The URL, or the one in BATCHOR_STORAGE_URL, for our driver; `ConfigurationError`, which doesn't repeat it."""
    given = url or os.environ.get(VARIABLE)
    if not given:
        raise ConfigurationError(f"there is no URL of a PostgreSQL database: give url= or set {VARIABLE} to {_FORM}")
    try:
        parsed = make_url(given)
    except (ArgumentError, ValueError):
        # Not even as a cause: the text that cannot be parsed holds the password.
        parsed = None
    if parsed is None or parsed.drivername not in _DRIVERS:
        raise ConfigurationError(f"the URL of the storage is none of a PostgreSQL database; its form is {_FORM}")
    return parsed.set(drivername="postgresql+psycopg")


def parse_schema(name: str) -> str:
    """*name*, or `ConfigurationError` when it is no plain name."""
    if _SCHEMA.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} is no name for a schema: use up to 63 of a-z, 0-9 and '_', not beginning with a digit or 'pg_'"
        )
    return name


def place_of(url: URL, *, schema: str) -> str:
    """What errors and `repr` may show: no user, no password, no option."""
    host = url.host or url.query.get("host") or "the local socket"
    port = "" if url.port is None else f":{url.port}"
    return f"PostgreSQL at {host}{port}, database {url.database or 'of the user'!r}, schema {schema!r}"
