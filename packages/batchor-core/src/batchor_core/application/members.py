"""The items that a batch still holds, ticked off one by one while its lines are settled."""

from collections.abc import Iterator, Sequence

from batchor_core.domain.retry import Tries
from batchor_core.ports.state_records import Holding

UNTRIED = Tries()
"""What was spent on an item that was never sent before."""


class Members:
    """The items of a batch that have no result yet. A byte for each of its range, and nothing is read for it.

    Read once, under the batch's lease: nobody else settles its items while that holds, and every
    transaction proves that it does. Whoever fails to commit what it has taken here must not go on with these.
    """

    def __init__(self, holding: Holding) -> None:
        self._first = holding.first
        self._fresh = bytearray(b"\1") * (holding.last - holding.first)
        for index in holding.exceptions:
            self._fresh[index - self._first] = 0
        self._retried = {row.item_index: Tries(row.attempts_used, row.deferrals) for row in holding.retries}

    def take(self, index: int) -> Tries | None:
        """Tick an item off: what was spent on it before this batch, None when it is no member (any more)."""
        place = index - self._first
        if 0 <= place < len(self._fresh) and self._fresh[place]:
            self._fresh[place] = 0
            return UNTRIED
        return self._retried.pop(index, None)

    def take_untried(self, indexes: Sequence[int]) -> bool:
        """Tick off items that were never sent before, ascending; False, and none is, where not all of them are such."""
        places = [index - self._first for index in indexes]
        if not (places[0] >= 0 and places[-1] < len(self._fresh) and len(set(places)) == len(places)):
            return False
        if not all(map(self._fresh.__getitem__, places)):
            return False
        for place in places:
            self._fresh[place] = 0
        return True

    def __contains__(self, index: int) -> bool:
        place = index - self._first
        return (0 <= place < len(self._fresh) and self._fresh[place] == 1) or index in self._retried

    def __iter__(self) -> Iterator[int]:
        """Those that are left, of the range and then of the retries."""
        place = self._fresh.find(1)
        while place >= 0:
            yield self._first + place
            place = self._fresh.find(1, place + 1)
        yield from self._retried
