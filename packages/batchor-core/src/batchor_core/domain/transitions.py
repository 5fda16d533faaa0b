"""The one reader of all state tables."""

from collections.abc import Mapping
from enum import StrEnum

from batchor_core.errors import IllegalTransitionError


def next_status[StatusT: StrEnum, EventT: StrEnum](
    table: Mapping[tuple[StatusT, EventT], StatusT], status: StatusT, event: EventT
) -> StatusT:
    """Where *event* leads from *status*; `IllegalTransitionError` where the table has no such row."""
    try:
        return table[status, event]
    except KeyError:
        raise IllegalTransitionError(status, event) from None


def terminal_statuses[StatusT: StrEnum, EventT: StrEnum](
    statuses: type[StatusT], table: Mapping[tuple[StatusT, EventT], StatusT], *, but_for: EventT | None = None
) -> frozenset[StatusT]:
    """The statuses from which no row of the table leads on, rows of the event *but_for* apart."""
    return frozenset(statuses) - {status for status, event in table if event is not but_for}
