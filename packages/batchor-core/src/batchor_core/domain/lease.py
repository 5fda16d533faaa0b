"""Leases: who may work on a thing, until when, and the fence that tells a late writer from the present one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on a batch, or on a run's ingestion.

    `fence` grows with each take-over and never falls: a write that names an older fence comes from
    a worker that has been presumed dead, and is refused.
    """

    owner: str | None = None
    until: datetime | None = None
    fence: int = 0

    def is_free(self, now: datetime) -> bool:
        return self.owner is None or self.until is None or self.until <= now

    def taken(self, owner: str, *, now: datetime, ttl: timedelta) -> Self:
        """The lease after *owner* took it over."""
        return replace(self, owner=owner, until=now + ttl, fence=self.fence + 1)

    def renewed(self, *, now: datetime, ttl: timedelta) -> Self:
        return replace(self, until=now + ttl)

    def released(self) -> Self:
        """Free for anybody; the fence stays."""
        return replace(self, owner=None, until=None)
