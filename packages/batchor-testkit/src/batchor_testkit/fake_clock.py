"""A clock that moves only when it is told to, or when somebody sleeps."""

from datetime import UTC, datetime, timedelta
from threading import Lock


class FakeClock:
    """Time for tests: `sleep` returns at once and the clock has moved on."""

    def __init__(self, start: datetime = datetime(2026, 4, 3, 12, 0, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._lock = Lock()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._elapsed_s += seconds
