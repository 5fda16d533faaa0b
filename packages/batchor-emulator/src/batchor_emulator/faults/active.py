"""The faults that are in force, and how often each has struck."""

from __future__ import annotations

from collections import Counter

from msgspec import structs

from batchor_emulator.faults.batch_fault import BatchEffects, BatchFault, Fate
from batchor_emulator.faults.call_fault import CallFault, ends_call
from batchor_emulator.faults.draw import strikes
from batchor_emulator.faults.profile import FaultProfile

_NO_EFFECTS = BatchEffects()


class ActiveFaults:
    """Says what befalls each call and each new batch. Belongs to the event loop's thread.

    A profile lasts as long as the process; what it decided about a batch lasts as long as the batch.
    """

    def __init__(self, profile: FaultProfile) -> None:
        self.profile = profile
        self._struck: Counter[str] = Counter()
        self._matched: Counter[int] = Counter()
        self._created = 0

    def replace(self, profile: FaultProfile) -> None:
        """Put *profile* in force; all counting begins anew."""
        self.profile = profile
        self._struck.clear()
        self._matched.clear()
        self._created = 0

    def struck(self) -> dict[str, int]:
        """How often each fault has struck, by its place: `calls[0]`, `batches[1]`."""
        return dict(self._struck)

    def of_call(self, operation: str, route: str) -> tuple[CallFault, ...]:
        """The faults of one call, in their order; those behind one that ends the call have no say."""
        found: list[CallFault] = []
        for index, fault in enumerate(self.profile.calls):
            if fault.concerns(operation, route) and self._strikes_call(index, fault):
                found.append(fault)
                if ends_call(fault):
                    break
        return tuple(found)

    def of_new_batch(self) -> Fate | None:
        """What will happen to the batch that is being created; None when nothing is wrong with it."""
        self._created += 1
        effects: dict[str, object] = {}
        rows = list(self.profile.rows)
        for index, fault in enumerate(self.profile.batches):
            if self._strikes_batch(index, fault):
                rows += fault.rows
                for name in BatchEffects.__struct_fields__:
                    if (value := getattr(fault, name)) != getattr(_NO_EFFECTS, name):
                        effects.setdefault(name, value)
        if not effects and not rows:
            return None
        fate = Fate(seed=self.profile.seed, ordinal=self._created)
        return structs.replace(fate, **{**effects, "rows": tuple(rows)})

    def _strikes_call(self, index: int, fault: CallFault) -> bool:
        place = f"calls[{index}]"
        self._matched[index] += 1
        number = self._matched[index]
        if number <= fault.skip or (fault.count is not None and self._struck[place] >= fault.count):
            return False
        if not strikes(fault.share, self.profile.seed, place, number):
            return False
        self._struck[place] += 1
        return True

    def _strikes_batch(self, index: int, fault: BatchFault) -> bool:
        place = f"batches[{index}]"
        if fault.ordinals and self._created not in fault.ordinals:
            return False
        if fault.count is not None and self._struck[place] >= fault.count:
            return False
        if not strikes(fault.share, self.profile.seed, place, self._created):
            return False
        self._struck[place] += 1
        return True
