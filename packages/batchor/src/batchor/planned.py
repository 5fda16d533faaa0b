"""Names that are promised and not here yet: they can be imported, and say what to use instead when they are called."""

from typing import Any

from batchor_core.errors import ConfigurationError


class _Planned:
    _instead: str

    def __init__(self, *_args: Any, **_options: Any) -> None:
        raise ConfigurationError(f"{type(self).__name__} is not in this version of batchor yet; {self._instead}")


class PostgresStorage(_Planned):
    """Runs in a PostgreSQL database."""

    _instead = "use SQLiteStorage, which serves several processes on one host"
