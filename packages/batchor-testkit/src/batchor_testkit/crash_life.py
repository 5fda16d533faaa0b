"""A run that is begun again after each death, against a provider that fails, until it ends."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from batchor_core.adapters.memory_artifacts import MemoryArtifactStore
from batchor_core.adapters.memory_state import MemoryStateStore
from batchor_core.application.handle import Run
from batchor_core.application.runner import BatchRunner
from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.item import BatchItem
from batchor_core.domain.job import BatchJob
from batchor_core.domain.policies import ArtifactPolicy, ChunkPolicy, RetryPolicy, SlicePolicy
from batchor_core.domain.run import RunRecord
from batchor_core.errors import RunPausedError
from batchor_core.failpoints import InjectedCrash, arm, disarm, observe
from batchor_core.json_types import JsonObject, JsonValue
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.provider import ProviderFactory
from batchor_core.ports.sources import SourceIdentity
from batchor_core.ports.state import StateStore
from batchor_testkit.checked_store import CheckedStore
from batchor_testkit.fake_clock import FakeClock
from batchor_testkit.fake_provider import FakeProviderConfig
from batchor_testkit.fault_profiles import CALM, FaultProfile
from batchor_testkit.flaky_provider import FlakyProviderFactory
from batchor_testkit.flaky_server import FlakyServer
from batchor_testkit.power_loss import PowerLossArtifacts

RUN_ID = "swept"
LEASE_TTL_S = 30.0
_LONGEST_PAUSES = 100
_RETRIES = RetryPolicy(max_attempts=3, base_backoff_s=4, max_backoff_s=16, max_deferrals=40)


class Deaths(NamedTuple):
    """When the processes of one life die: each at that hit of *crash_at*, counted from its own beginning."""

    hits: tuple[int, ...]
    power_loss: bool = False
    crash_at: str = "*"


def scope_of(run: RunRecord) -> str:
    """The quota scope of a run of the fake provider."""
    config: Any = run.config
    return str(config["provider_config"]["model"])


@dataclass(frozen=True, slots=True)
class _RowsCursor:
    """One pass over `Rows`."""

    rows: Sequence[BatchItem[str]]
    place: list[int]

    def __iter__(self) -> Iterator[BatchItem[str]]:
        while self.place[0] < len(self.rows):
            self.place[0] += 1
            yield self.rows[self.place[0] - 1]

    def checkpoint(self) -> JsonValue:
        return self.place[0]

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A checkpointed source in memory: what it has given is not read again."""

    rows: Sequence[BatchItem[str]]

    def identity(self) -> SourceIdentity:
        return SourceIdentity("rows", "memory", str(len(self.rows)))

    def open(self, checkpoint: JsonValue) -> _RowsCursor:
        return _RowsCursor(self.rows, [checkpoint if isinstance(checkpoint, int) else 0])

    def __iter__(self) -> Iterator[BatchItem[str]]:
        return iter(self.rows)


def answering() -> Callable[[str], JsonObject]:
    """Answers of which the first few are none: of one prompt a fault of the provider, of another an empty answer."""
    left = {"prompt 1": ["provider_failed"], "prompt 4": ["empty"]}

    def answer(prompt: str) -> JsonObject:
        outcomes = next((left[start] for start in left if prompt.startswith(start)), [])
        return {"outcome": outcomes.pop()} if outcomes else {"text": f"echo: {prompt}"}

    return answer


@dataclass
class Life:
    """What outlives processes: the state, the artifacts, the provider, the time.

    *seed* chooses, beside the faults of *profile*, whether the items are a list or a checkpointed source, and whether
    files are kept once they are of no use.
    """

    profile: FaultProfile = CALM
    seed: int = 0
    store: StateStore = field(default_factory=MemoryStateStore)
    artifacts: ArtifactStore = field(default_factory=MemoryArtifactStore)
    items: int = 5
    deaths: list[str] = field(default_factory=list)
    frozen_at: list[str] = field(default_factory=list)
    pauses: list[str | None] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.server = FlakyServer(self.clock, answer=answering(), run_time_s=0.5, profile=self.profile, seed=self.seed)
        self.checked = CheckedStore(self.store, scope_of=scope_of)
        self.medium = PowerLossArtifacts(self.artifacts, seed=self.seed)
        self._processes = 0

    def new_process(self) -> BatchRunner:
        """A runner such as a fresh process would make."""
        self._processes += 1
        return BatchRunner(
            self.checked,
            artifact_store=self.medium,
            clock=self.clock,
            providers={"fake": self.new_factory()},
            observer=lambda event: self.events.append(event.event_type),
            concurrency=1,
            lease_ttl_s=LEASE_TTL_S,
            slice_policy=SlicePolicy(max_rows=2),
            rng=Random(f"{self.seed}-{self._processes}"),  # noqa: S311  repeatable on purpose
        )

    def new_factory(self) -> ProviderFactory:
        return FlakyProviderFactory(self.server)

    def new_job(self) -> BatchJob[str, None]:
        # U+2028 ends a line for many a reader, and not for ours.
        rows = [BatchItem(f"item-{n}", f"prompt {n}\u2028\U0001f642") for n in range(self.items)]
        tidy = self.seed % 4 in {1, 2}
        return BatchJob(
            items=rows if self.seed % 2 else Rows(rows),
            build_prompt=lambda item: item.payload,
            provider_config=FakeProviderConfig(enqueue_limits=EnqueueLimits(enqueued_token_limit=60)),
            chunk_policy=ChunkPolicy(max_requests=3),
            retry_policy=_RETRIES,
            artifact_policy=ArtifactPolicy(persist_raw_output_artifacts=not tidy, delete_provider_files=tidy),
        )

    def start(self) -> Run[Any]:
        """A fresh process that begins the run, or takes it up."""
        return self.new_process().start(self.new_job(), run_id=RUN_ID)

    def go_on(self, run: Run[Any]) -> None:
        """Drive the run to its end, and resume it whenever a fault has paused it."""
        while not run.is_finished:
            try:
                run.wait()
            except RunPausedError as pause:
                self.pauses.append(pause.reason)
                assert len(self.pauses) < _LONGEST_PAUSES, "the run is paused over and over"
                run.resume()

    def live(self, deaths: Deaths | None = None) -> None:
        """Drive the run to its end, through *deaths* (None: none)."""
        left = list(deaths.hits) if deaths is not None else []
        while True:
            disarm()
            if deaths is not None and left:
                arm(deaths.crash_at, hit=left.pop(0))
            try:
                self.go_on(self.start())
            except InjectedCrash as crash:
                self.die(str(crash), power_loss=deaths is not None and deaths.power_loss)
            else:
                disarm()
                return

    def die(self, place: str, *, power_loss: bool = False) -> None:
        """What a death leaves behind, once others may take over."""
        self.deaths.append(place)
        if power_loss:
            self.medium.lose_power()
        self.clock.advance(LEASE_TTL_S + 1)

    def live_with_a_frozen_worker(self, *, hit: int, turns: int | None, at: str | None = None) -> None:
        """Freeze the first worker at the *hit*-th failpoint (of the name *at*), as SIGSTOP does, beyond the end of its lease.

        Another one takes over meanwhile, for so many *turns* or (None) to the run's end. Then the first one wakes up.
        """

        def others_take_over(place: str) -> None:
            self.frozen_at.append(place)
            self.clock.advance(LEASE_TTL_S + 1)
            other = self.start()
            if turns is None:
                self.go_on(other)
            for _ in range(turns or 0):
                other.refresh()
                self.clock.advance(1)

        with interrupted_at(hit, others_take_over, at=at):
            self.go_on(self.start())


@contextmanager
def interrupted_at(hit: int, act: Callable[[str], object], *, at: str | None = None) -> Generator[None]:
    """Let the *hit*-th failpoint of the block (of the name *at*) take as long as `act(name)` does.

    Failpoints within that don't count.
    """
    left = hit

    def pass_by(name: str) -> None:
        nonlocal left
        left -= at in {None, name}
        if left == 0:
            observe(None)
            act(name)

    observe(pass_by)
    try:
        yield
    finally:
        observe(None)
