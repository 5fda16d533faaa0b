"""A state store and the reference in memory, driven side by side by the same random steps.

```python
TestSQLiteMachine = state_machine_test_case(open_store)
```
where `open_store()` is a context manager that gives an empty store for one example. After every step
all that can be read must be equal, and the counters must be what a recount gives.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from unittest import TestCase

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from batchor_core.adapters.memory_state import MemoryStateStore
from batchor_core.domain.batch import TERMINAL, TRANSITIONS, BatchEvent, BatchRecord, BatchState
from batchor_core.domain.run import CONTROL_TRANSITIONS, ControlEvent
from batchor_core.errors import BatchorError
from batchor_core.failpoints import InjectedCrash
from batchor_core.ports.state import StateStore, UnitOfWork
from batchor_core.ports.state_records import Member
from batchor_testkit.state_examples import LEASE_TTL, NOW, example_event, example_item, released
from batchor_testkit.state_image import RunImage, run_ids, run_image
from batchor_testkit.state_steps import Verdict, abandon, advance, begin_run, claim, ingest, settle, submit

_RUNS = ("alpha", "beta", "Alpha")
_PLACES = st.integers(min_value=0, max_value=30)
# One step in five: each crash costs a step of the way to the deeper states.
_CRASH = st.sampled_from([False, False, False, False, True])
_OWNERS = st.sampled_from(["worker-1", "worker-2"])


@dataclass
class _Side:
    """One of the two stores, and the batch records that its workers hold: some of them stale."""

    store: StateStore
    held: list[BatchRecord] = field(default_factory=list)

    def run(self, step: "_Step", *, crash: bool) -> object:
        """What came of *step*: its value, or the kind of error that refused it."""
        held_before = len(self.held)
        try:
            with self.store.transaction() as unit:
                value = step(unit, self)
                if crash:
                    raise InjectedCrash
        except (BatchorError, InjectedCrash) as refusal:
            del self.held[held_before:]
            return type(refusal)
        return value

    def read(self) -> "_Sight":
        with self.store.reading() as unit:
            batches = [unit.batches.get(batch_id) for batch_id in sorted({batch.batch_id for batch in self.held})]
            return _Sight(
                runs=[run_image(unit, run_id) for run_id in run_ids(unit)],
                held=[(batch.state, list(unit.items.holding(batch).members())) for batch in batches],
            )


@dataclass(frozen=True)
class _Sight:
    """All that can be read: the runs, and the members of every batch that was ever held, ended ones included."""

    runs: Sequence[RunImage]
    held: Sequence[tuple[BatchState, Sequence[Member]]]


type _Step = Callable[[UnitOfWork, _Side], object]


class StateMachine(RuleBasedStateMachine):
    """Random valid steps of runs, each one on both stores; some are cut off by a crash before they commit."""

    open_store: Callable[[], AbstractContextManager[StateStore]]

    @initialize()
    def open_both(self) -> None:
        self._closing = ExitStack()
        self._now = NOW
        self._labels = 0
        self._tested = _Side(self._closing.enter_context(type(self).open_store()))
        self._reference = _Side(MemoryStateStore())
        self._seen = self._reference.read()
        self._both(_begin)

    def teardown(self) -> None:
        self._closing.close()

    def _both(self, step: _Step, *, crash: bool = False) -> None:
        before = self._seen
        expected = self._reference.run(step, crash=crash)
        assert self._tested.run(step, crash=crash) == expected
        self._seen = self._reference.read()
        assert self._tested.read() == self._seen
        assert [image.recount for image in self._seen.runs] == [image.run.counts for image in self._seen.runs]
        if crash:
            assert self._seen == before

    def _label(self) -> str:
        self._labels += 1
        return f"label-{self._labels}"

    @property
    def _runs(self) -> Sequence[str]:
        return sorted(image.run.run_id for image in self._seen.runs)

    def _any_run(self, place: int) -> str:
        runs = self._runs
        return runs[place % len(runs)]

    @rule(run_id=st.sampled_from(_RUNS), crash=_CRASH)
    def create_a_run(self, run_id: str, *, crash: bool) -> None:
        self._now += timedelta(milliseconds=1)
        self._both(lambda unit, _: begin_run(unit, run_id, created_at=self._now).tag, crash=crash)

    @precondition(lambda self: self._runs)
    @rule(place=_PLACES, number=st.integers(0, 6), rejected=st.sets(st.integers(0, 40)), crash=_CRASH)
    def append_a_slice(self, place: int, number: int, rejected: set[int], *, crash: bool) -> None:
        run_id = self._any_run(place)
        self._both(lambda unit, _: len(ingest(unit, number, run_id=run_id, rejected=rejected)), crash=crash)

    @precondition(lambda self: self._runs)
    @rule(place=_PLACES, twin=st.integers(0, 8))
    def append_a_slice_with_a_known_id(self, place: int, twin: int) -> None:
        run_id = self._any_run(place)

        def append(unit: UnitOfWork, _: _Side) -> None:
            index = unit.runs.lock(run_id).ingest.next_index
            new = example_item(index, segment_id=None)
            # The twin of an item that is stored, or of the new one before it.
            twin_id = f"item-{min(twin, index)}"
            unit.items.append(run_id, [new, example_item(index + 1, segment_id=None, item_id=twin_id)])

        self._both(append)

    @precondition(lambda self: self._runs)
    @rule(place=_PLACES, fresh=st.integers(0, 5), retries=st.integers(0, 4), owner=_OWNERS, crash=_CRASH)
    def claim_a_batch(self, place: int, fresh: int, retries: int, owner: str, *, crash: bool) -> None:
        run_id, key = self._any_run(place), self._label()
        self._now += timedelta(milliseconds=1)

        def step(unit: UnitOfWork, side: _Side) -> None:
            side.held.append(
                claim(unit, run_id=run_id, fresh=fresh, retries=retries, batch_key=key, owner=owner, now=self._now)
            )

        self._both(step, crash=crash)

    @precondition(lambda self: self._reference.held)
    @rule(place=_PLACES, way=_PLACES, crash=_CRASH)
    def advance_a_batch(self, place: int, way: int, *, crash: bool) -> None:
        key = self._label()
        self._now += timedelta(milliseconds=1)

        def step(unit: UnitOfWork, side: _Side) -> BatchState:
            batch = self._hold(unit, side, place)
            event = _any_event(batch, way, settled=not unit.items.holding(batch).members())
            if event is BatchEvent.ABANDON:
                batch = abandon(unit, batch, batch_key=key, now=self._now)
            elif event is not None:
                batch = advance(unit, batch, event)
            side.held.append(batch)
            return batch.state

        self._both(step, crash=crash)

    @precondition(lambda self: self._reference.held)
    @rule(
        place=_PLACES,
        verdicts=st.lists(st.sampled_from([*Verdict, None]), min_size=1, max_size=6),
        due_in_s=st.sampled_from([0, 0, 60]),
        crash=_CRASH,
    )
    def settle_members(self, place: int, verdicts: list[Verdict | None], due_in_s: int, *, crash: bool) -> None:
        self._now += timedelta(seconds=1)
        not_before = self._now + timedelta(seconds=due_in_s)

        def step(unit: UnitOfWork, side: _Side) -> int:
            batch = _submitted(unit, self._hold(unit, side, place))
            if batch.state in TERMINAL:
                return 0
            members = [member.item_index for member in unit.items.holding(batch).members()]
            chosen = {index: verdict for index, verdict in zip(members, verdicts, strict=False) if verdict is not None}
            settle(unit, batch, chosen, not_before=not_before)
            return len(chosen)

        self._both(step, crash=crash)

    @precondition(lambda self: self._runs)
    @rule(place=_PLACES)
    def replay_all_results(self, place: int) -> None:
        run_id = self._any_run(place)

        def step(unit: UnitOfWork, _: _Side) -> int:
            rows = sorted(unit.results.get(run_id, range(1_000)))
            return unit.results.append(run_id, [row._replace(sequence=row.sequence + 1_000) for row in rows])

        self._both(step)

    @precondition(lambda self: self._reference.held)
    @rule(place=_PLACES, owner=_OWNERS, limit=st.integers(1, 3), minutes=st.sampled_from([0, 1, 6]))
    def lease_what_is_due(self, place: int, owner: str, limit: int, minutes: int) -> None:
        run_id = self._any_run(place)
        self._now += timedelta(minutes=minutes)

        def step(unit: UnitOfWork, side: _Side) -> Sequence[BatchRecord]:
            taken = unit.batches.lease_due(run_id=run_id, owner=owner, now=self._now, ttl=LEASE_TTL, limit=limit)
            side.held.extend(taken)
            return [replace(batch, batch_id=0) for batch in taken]

        self._both(step)

    @precondition(lambda self: self._reference.held)
    @rule(place=_PLACES, failures=st.integers(0, 3), due_in_s=st.sampled_from([0, 0, 90]))
    def give_a_batch_back(self, place: int, failures: int, due_in_s: int) -> None:
        self._now += timedelta(milliseconds=1)
        due_at = self._now + timedelta(seconds=due_in_s)

        def step(unit: UnitOfWork, side: _Side) -> None:
            batch = self._hold(unit, side, place)
            unit.batches.save(released(replace(batch, failures=failures), next_due_at=due_at))

        self._both(step)

    @precondition(lambda self: self._runs)
    @rule(place=_PLACES, way=_PLACES, crash=_CRASH)
    def control_a_run(self, place: int, way: int, *, crash: bool) -> None:
        run_id = self._any_run(place)

        def step(unit: UnitOfWork, _: _Side) -> None:
            run = unit.runs.lock(run_id)
            events = [event for event in ControlEvent if (run.control_state, event) in CONTROL_TRANSITIONS]
            unit.runs.save(run.controlled(events[way % len(events)], reason="by_request"))
            unit.events.append([example_event(run_id, number=way)])

        self._both(step, crash=crash)

    @precondition(lambda self: self._runs)
    @rule(place=_PLACES, size_bytes=st.integers(0, 10**12), crash=_CRASH)
    def close_a_segment(self, place: int, size_bytes: int, *, crash: bool) -> None:
        run_id = self._any_run(place)

        def step(unit: UnitOfWork, _: _Side) -> None:
            for artifact in unit.artifacts.of_run(run_id):
                unit.artifacts.save(replace(artifact, size_bytes=size_bytes, sha256="ab" * 32, state="complete"))

        self._both(step, crash=crash)

    def _hold(self, unit: UnitOfWork, side: _Side, place: int) -> BatchRecord:
        return unit.batches.hold(side.held[place % len(side.held)], now=self._now, ttl=LEASE_TTL)


def _begin(unit: UnitOfWork, side: _Side) -> None:
    """A run on its way, so that few steps lead to retries, successors and results."""
    begin_run(unit, _RUNS[0])
    ingest(unit, 7, run_id=_RUNS[0], rejected={1})
    side.held.append(claim(unit, run_id=_RUNS[0], fresh=4, batch_key="label-0"))


def _submitted(unit: UnitOfWork, batch: BatchRecord) -> BatchRecord:
    """*batch*, led to the provider by the shortest way when it is not there yet."""
    match batch.state:
        case BatchState.PREPARED:
            return submit(unit, batch)
        case BatchState.UPLOADED:
            return advance(unit, batch, BatchEvent.SEND, BatchEvent.ACKNOWLEDGE)
        case BatchState.CREATING | BatchState.FENCING:
            return advance(unit, batch, BatchEvent.ACKNOWLEDGE)
        case _:
            return batch


def _any_event(batch: BatchRecord, way: int, *, settled: bool) -> BatchEvent | None:
    """One of the events that the table has for the batch; it is collected only when it holds no member any more."""
    if batch.state in TERMINAL:
        return None
    events = [
        event
        for event in BatchEvent
        if (batch.state, event) in TRANSITIONS and (settled or event is not BatchEvent.COLLECT)
    ]
    return events[way % len(events)] if events else None


def state_machine_test_case(
    open_store: Callable[[], AbstractContextManager[StateStore]], *, max_examples: int = 30, steps: int = 30
) -> type[TestCase]:
    """A test case that compares the stores of *open_store* with the reference, over *max_examples* runs of *steps* steps."""
    machine = type("StateMachine", (StateMachine,), {"open_store": staticmethod(open_store)})
    quick = settings(
        max_examples=max_examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )

    class StateMachineTest(TestCase):
        def test_the_store_and_the_reference_agree_after_every_step(self) -> None:
            run_state_machine_as_test(machine, settings=quick)

    return StateMachineTest
