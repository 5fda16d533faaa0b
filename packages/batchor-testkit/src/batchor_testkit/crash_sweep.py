"""Sweeps: a death at hit 1, 2, 3, … until a run completes, and a tally of what that did.

```python
tally = sweep(FaultProfile(name="mine", calls=(CallFault.ACT_THEN_DROP,)), seed=0)
assert not tally.notes
```
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from batchor_core.errors import BatchorError
from batchor_core.failpoints import disarm, observe
from batchor_testkit.checked_store import InvariantBrokenError
from batchor_testkit.crash_life import Deaths, Life
from batchor_testkit.crash_verdict import Harm, Verdict, judge
from batchor_testkit.fault_profiles import CallFault, FaultProfile

_MOST_HITS = 2_000

type NewLife = Callable[[FaultProfile, int], Life]
"""From a profile and a seed to a life that has not begun."""


@dataclass(slots=True)
class Tally:
    """What a number of lives came to."""

    name: str
    died_at: set[str] = field(default_factory=set)
    """Failpoints at which processes died or were frozen."""
    lives: int = 0
    kills: int = 0
    harms: Counter[Harm] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, life: Life, verdict: Verdict, what: object) -> None:
        """Count a life; *what* was done to it."""
        places = [*life.deaths, *life.frozen_at]
        self.died_at.update(places)
        self.lives += 1
        self.kills += len(places)
        self.harms += verdict.harms
        self.notes += [f"{life.profile.name}, seed {life.seed}, {what} at {places}: {note}" for note in verdict.notes]

    def merge(self, other: "Tally") -> None:
        self.died_at |= other.died_at
        self.lives += other.lives
        self.kills += other.kills
        self.harms += other.harms
        self.notes += other.notes


def sweep(
    profile: FaultProfile,
    seed: int,
    *,
    new_life: NewLife = Life,
    crash_at: str = "*",
    first: int = 1,
    step: int = 1,
    until_harmed: bool = False,
) -> Tally:
    """One life for each *step*-th hit of *crash_at*, until one completes undisturbed, or with *until_harmed* one is harmed.

    Every second death or so takes the power along.
    """
    tally = Tally(profile.name)
    for hit in range(first, _MOST_HITS, step):
        power_loss = _coin(f"{profile.name}-{seed}-{hit}")
        life = live_and_judge(tally, new_life(profile, seed), Deaths((hit,), power_loss, crash_at))
        if not life.deaths or (until_harmed and tally.notes):
            return tally
    raise AssertionError(f"{profile.name}, seed {seed}: there is no end of failpoints")


def sweep_pairs(profile: FaultProfile, seed: int, *, number: int, new_life: NewLife = Life) -> Tally:
    """*number* lives in which two or three processes die: the first at any hit, the others soon after they began."""
    tally = Tally(profile.name)
    hits = count_hits(new_life(profile, seed))
    for deaths in _pairs(Random(f"{profile.name}-{seed}"), number, hits):  # noqa: S311  repeatable on purpose
        live_and_judge(tally, new_life(profile, seed), deaths)
    return tally


def sweep_freezes(
    profile: FaultProfile, seed: int, *, turns: int | None, new_life: NewLife = Life, until_harmed: bool = False
) -> Tally:
    """One life for each failpoint at which a worker is frozen, until one is not, or with *until_harmed* one is harmed.

    Others take *turns* turns meanwhile, None: all that are left.
    """
    tally = Tally(profile.name)
    for hit in range(1, _MOST_HITS):
        life = new_life(profile, seed)
        verdict = verdict_on(life, partial(life.live_with_a_frozen_worker, hit=hit, turns=turns))
        tally.add(life, verdict, f"frozen at hit {hit} for {turns} turns")
        if not life.frozen_at or (until_harmed and tally.notes):
            return tally
    raise AssertionError(f"{profile.name}, seed {seed}: there is no end of failpoints")


def count_hits(life: Life) -> int:
    """How many failpoints an undisturbed life passes."""
    passed: list[str] = []
    observe(passed.append)
    try:
        life.live()
    finally:
        observe(None)
    return len(passed)


def live_and_judge(tally: Tally, life: Life, deaths: Deaths) -> Life:
    """Let a life take its course, and add what came of it to *tally*."""
    tally.add(life, verdict_on(life, lambda: life.live(deaths)), deaths)
    return life


def verdict_on(life: Life, live: Callable[[], object]) -> Verdict:
    """The verdict on *life* after `live()`, whatever that raised."""
    verdict = Verdict()
    try:
        live()
        verdict = judge(life)
    except InvariantBrokenError as breach:
        verdict.add(Harm.DRIFT, str(breach))
    except (BatchorError, ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        verdict.add(Harm.STUCK, f"{type(error).__name__}: {error}")
    finally:
        disarm()
    needless = [reason for reason in life.pauses if reason not in _pauses_of(life.profile)]
    if needless:
        verdict.add(Harm.STUCK, f"a person was needed, for the run was paused: {needless}")
    return verdict


def _pauses_of(profile: FaultProfile) -> Sequence[str]:
    return ("auth",) if CallFault.AUTH in profile.calls else ()


def _pairs(rng: Random, number: int, hits: int) -> Iterator[Deaths]:
    for _ in range(number):
        later = (int(rng.expovariate(1 / 20)) + 1 for _ in range(rng.choice([1, 1, 2])))
        yield Deaths((rng.randint(1, hits), *later), power_loss=rng.random() < 0.5)


def _coin(seed: str) -> bool:
    return Random(seed).random() < 0.5  # noqa: S311  repeatable on purpose
