"""The server's time, without asking for it each time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAX_AGE_S = 60.0
"""After this the server is asked again. Quartz drifts by some milliseconds in that time."""

MAX_JUMP_S = 0.5
"""So far may the two local clocks part: more, and this machine slept, or its time was set."""


class _Reading(NamedTuple):
    server: datetime
    monotonic_s: float
    """The local clock in the middle of the question's way there and back."""
    local: datetime


class ServerClock:
    """The clock of a database server, carried on by the local monotonic one; for any number of threads.

    It is right to half a round trip, plus the drift of `MAX_AGE_S`. The server is asked again after that time, after
    `doubt`, and when the local clocks show that this machine was asleep, for then the monotonic one stood still.
    """

    def __init__(
        self, ask_micros: Callable[[], tuple[int, float]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask_micros = ask_micros
        self._monotonic = monotonic
        self._lock = Lock()
        self._reading: _Reading | None = None

    def doubt(self) -> None:
        """Ask again at the next use: the server may be another one."""
        self._reading = None

    def now(self, local: datetime) -> datetime:
        """The server's time; *local* is this machine's. Raises what the question raises."""
        reading = self._reading
        if reading is None or not self._is_good(reading, local):
            with self._lock:
                reading = self._reading
                if reading is None or not self._is_good(reading, local):
                    reading = self._reading = self._ask(local)
        return reading.server + timedelta(seconds=self._monotonic() - reading.monotonic_s)

    def _is_good(self, reading: _Reading, local: datetime) -> bool:
        age_s = self._monotonic() - reading.monotonic_s
        jump_s = (local - reading.local).total_seconds() - age_s
        return age_s <= MAX_AGE_S and abs(jump_s) <= MAX_JUMP_S

    def _ask(self, local: datetime) -> _Reading:
        asked_s = self._monotonic()
        micros, way_s = self._ask_micros()
        answered_s = self._monotonic()
        middle_s = answered_s - way_s / 2
        return _Reading(
            _EPOCH + timedelta(microseconds=micros), middle_s, local + timedelta(seconds=middle_s - asked_s)
        )
