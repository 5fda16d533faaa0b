"""Time, and who is told what happens."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from batchor_core.domain.events import RunEvent


class Clock(Protocol):
    """The only source of time in the core."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow."""
        ...

    def sleep(self, seconds: float) -> None: ...


type Observer = Callable[[RunEvent], None]
"""Told of each event after it is durable. One that raises is logged and harms nothing."""
