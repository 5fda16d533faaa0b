"""In which ways a provider fails: named sets of faults, and the dice that choose among them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class CallFault(StrEnum):
    """What may become of one call."""

    DROP_BEFORE_ACTING = "drop_before_acting"
    ACT_THEN_DROP = "act_then_drop"
    """The call does its work (a download half of it), and the answer is lost."""
    ACT_THEN_500 = "act_then_500"
    THROTTLED = "throttled"
    """Refused for now, with a time to come back."""
    AUTH = "auth"
    """The key is refused: this pauses a run."""
    LURK = "lurk"
    """A create call that is lost, and reaches the server long after everybody has given it up."""


class BatchFault(StrEnum):
    """What may become of one batch."""

    QUEUE_FULL = "queue_full"
    """It fails at once: too many tokens are enqueued."""
    BAD_LINE = "bad_line"
    """It fails for one line of its input."""
    EXPIRED_HALFWAY = "expired_halfway"
    """Every second request is run and answered, the others are not."""


class OutputFault(StrEnum):
    """What may become of one output line."""

    LOST = "lost"
    """The request was executed, and no file names it."""
    STATUS_ZERO = "status_zero"
    """A fault of the provider's, told in the error file."""
    GARBAGE = "garbage"
    """A line that is no line of ours."""
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"
    """Beside the line: one of another run, and one of an item that does not exist."""
    SECOND_ANSWER = "second_answer"
    """Another answer to the same request, in the error file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultProfile:
    """A named way of failing. Each fault strikes with *rate*, and at most *at_most* times, so that a run ends."""

    name: str
    calls: tuple[CallFault, ...] = ()
    creates: tuple[CallFault, ...] = ()
    """Faults of create calls, beside those of all calls."""
    batches: tuple[BatchFault, ...] = ()
    lines: tuple[OutputFault, ...] = ()
    list_lag_s: float = 0.0
    """A listing shows no batch that is younger."""
    foreign_batches: int = 0
    """So many batches of others stand in the account."""
    page_size: int = 100
    page_s: float = 0.0
    """So long each page of a listing takes."""
    loses_deleted_input: bool = False
    """A batch whose input file is deleted before it has ended fails; without this, it keeps what it was created with."""
    rate: float = 0.35
    at_most: int = 4


C, B, O = CallFault, BatchFault, OutputFault  # noqa: E741  the table is read by columns

CALM = FaultProfile(name="calm")
PROFILES: tuple[FaultProfile, ...] = (
    CALM,
    FaultProfile(name="act_then_drop", calls=(C.ACT_THEN_DROP,), creates=(C.ACT_THEN_DROP,)),
    FaultProfile(name="drop_before_acting", calls=(C.DROP_BEFORE_ACTING,)),
    FaultProfile(name="act_then_500", calls=(C.ACT_THEN_500,)),
    FaultProfile(name="throttled", calls=(C.THROTTLED,), rate=0.5, at_most=6),
    FaultProfile(name="list_lag", creates=(C.ACT_THEN_DROP,), list_lag_s=70.0, rate=0.7),
    FaultProfile(name="deleted_input", creates=(C.ACT_THEN_DROP,), list_lag_s=20.0, loses_deleted_input=True),
    FaultProfile(name="foreign_batches", creates=(C.ACT_THEN_DROP,), foreign_batches=7, page_size=3, rate=0.7),
    FaultProfile(name="slow_find", creates=(C.ACT_THEN_500,), foreign_batches=7, page_size=2, page_s=9.0, rate=0.7),
    FaultProfile(name="lurking_create", creates=(C.LURK,), rate=0.7, at_most=2),
    FaultProfile(name="auth_once", calls=(C.AUTH,), at_most=2),
    FaultProfile(name="lost_lines", lines=(O.LOST,)),
    FaultProfile(name="status_zero", lines=(O.STATUS_ZERO,)),
    FaultProfile(name="garbage_lines", lines=(O.GARBAGE,)),
    FaultProfile(name="duplicate_lines", lines=(O.DUPLICATE,)),
    FaultProfile(name="foreign_lines", lines=(O.FOREIGN,)),
    FaultProfile(name="second_answers", lines=(O.SECOND_ANSWER,)),
    FaultProfile(name="expired_halfway", batches=(B.EXPIRED_HALFWAY,), rate=0.7),
    FaultProfile(name="bad_line", batches=(B.BAD_LINE,), rate=0.7, at_most=2),
    FaultProfile(name="queue_full", batches=(B.QUEUE_FULL,), rate=0.7, at_most=1),
    FaultProfile(
        name="storm",
        calls=(C.ACT_THEN_DROP, C.DROP_BEFORE_ACTING, C.ACT_THEN_500, C.THROTTLED),
        creates=(C.LURK,),
        batches=(B.EXPIRED_HALFWAY, B.BAD_LINE),
        lines=tuple(OutputFault),
        list_lag_s=20.0,
        foreign_batches=5,
        page_size=2,
        page_s=1.0,
        rate=0.2,
        at_most=2,
    ),
)


def profile_named(name: str) -> FaultProfile:
    """The profile of `PROFILES` with that name."""
    return next(profile for profile in PROFILES if profile.name == name)


class Dice:
    """Decides which fault strikes next: the same from the same *seed*, each kind at most as often as the profile says."""

    def __init__(self, profile: FaultProfile, seed: int) -> None:
        self._profile = profile
        self._rng = Random(f"{profile.name}-{seed}")  # noqa: S311  repeatable on purpose
        self.struck: Counter[StrEnum] = Counter()

    def throw[FaultT: StrEnum](self, faults: Sequence[FaultT]) -> FaultT | None:
        if not faults or self._rng.random() >= self._profile.rate:
            return None
        fault = self._rng.choice(faults)
        if self.struck[fault] >= self._profile.at_most:
            return None
        self.struck[fault] += 1
        return fault

    def index(self, length: int) -> int:
        return self._rng.randrange(length)
