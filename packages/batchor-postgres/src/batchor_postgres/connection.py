"""A connection that never waits without end."""

from collections.abc import Generator
from time import monotonic
from typing import Any

import psycopg
from psycopg.abc import PQGen


class BoundedConnection(psycopg.Connection[Any]):
    """Gives a server up that has not answered in time, and is closed then.

    TCP notices a network that is cut, but not a server, a proxy or a pooler that stands still and whose kernel goes on
    to acknowledge: without this, its clients would wait for ever.
    """

    answer_timeout_s: float = 20.0

    def wait[T](self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        return super().wait(_bounded(self, gen), *arguments, **options)


def _bounded[T](connection: BoundedConnection, gen: PQGen[T]) -> Generator[Any, Any, T]:
    """*gen* until it ends, or until the server has been silent for too long; the driver looks ten times a second."""
    limit_s = connection.answer_timeout_s
    deadline_s = monotonic() + limit_s
    ready: Any = None
    while True:
        try:
            wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
        ready = yield wanted
        if ready:
            deadline_s = monotonic() + limit_s
        elif monotonic() > deadline_s:
            # Closed, for a ROLLBACK on it would wait as long.
            connection.pgconn.finish()
            raise psycopg.OperationalError(f"the server has not answered for {limit_s:g} s")
