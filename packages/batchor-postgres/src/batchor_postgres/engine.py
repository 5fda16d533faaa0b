"""The engine recipe: sessions of our own schema that neither wait nor hold others up without end."""

import os
from contextlib import closing
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from batchor_postgres.connection import BoundedConnection

_SESSION = "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS setting (name, value)"
# A server or a role may have it off, and then a power cut takes back what a commit has promised.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"

_engines: WeakSet[Engine] = WeakSet()


def make_engine(url: URL, *, schema: str, pool_size: int, timeout_s: float) -> Engine:
    """An engine whose sessions use *schema* alone; each thread that works at the same time has a connection."""
    engine = create_engine(
        url,
        connect_args=_bounds(url, timeout_s=timeout_s),
        use_native_hstore=False,
        # What a restart of the server has cut is replaced before it is used.
        pool_pre_ping=True,
        pool_size=pool_size,
        pool_use_lifo=True,
        # A bounded pool would let threads wait for each other's reads; those beyond its size are closed after use.
        max_overflow=-1,
        hide_parameters=True,
    )
    settings = _session_settings(schema, timeout_s=timeout_s)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, entry: ConnectionPoolEntry, arguments: list[Any], options: dict[str, Any]) -> object:
        del dialect, entry
        connection = BoundedConnection.connect(*arguments, **options)
        connection.answer_timeout_s = timeout_s
        return connection

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        del entry
        with closing(connection.cursor()) as cursor:
            cursor.execute(_SESSION, (list(settings), list(settings.values())))
            cursor.execute(_DURABLE)
        connection.commit()

    _engines.add(engine)
    return engine


def _bounds(url: URL, *, timeout_s: float) -> dict[str, object]:
    """How the driver connects, where the URL says nothing else."""
    defaults: dict[str, object] = {
        "client_encoding": "utf8",
        "fallback_application_name": "batchor",
        "connect_timeout": max(2, round(timeout_s / 2)),
        # A cut network is noticed after so many seconds by whoever waits for an answer, and by whoever sends.
        "keepalives_idle": max(1, round(timeout_s / 2)),
        "keepalives_interval": max(1, round(timeout_s / 6)),
        "keepalives_count": 3,
        "tcp_user_timeout": round(timeout_s * 1000),
    }
    return {name: value for name, value in defaults.items() if name not in url.query}


def _session_settings(schema: str, *, timeout_s: float) -> dict[str, str]:
    """Settings of each session. They are set by a statement, for poolers such as pgbouncer refuse options on connect."""
    keepalive_s = max(1, round(timeout_s / 4))
    return {
        "search_path": schema,
        # Sooner than the client gives the whole connection up.
        "lock_timeout": _milliseconds(timeout_s * 0.75),
        "statement_timeout": _milliseconds(timeout_s * 0.9),
        # A worker that vanished or froze in a transaction gives its locks back.
        "idle_in_transaction_session_timeout": _milliseconds(timeout_s * 3),
        "tcp_keepalives_idle": str(keepalive_s),
        "tcp_keepalives_interval": str(keepalive_s),
        "tcp_keepalives_count": "3",
        # Compiling costs more than any of our statements.
        "jit": "off",
        # Each of them finds its rows by a key or an index, in order. Of tables that were filled in the last minute the
        # server has no statistics, and its planner would rather read and sort everything: for each page.
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_sort": "off",
    }


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _forget_connections() -> None:
    """A forked child must not touch its parent's connections: two processes would talk on one."""
    for engine in _engines:
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
