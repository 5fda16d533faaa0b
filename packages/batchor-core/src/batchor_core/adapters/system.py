"""The real clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the operating system tells it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)  # looked at for each row of a source

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
