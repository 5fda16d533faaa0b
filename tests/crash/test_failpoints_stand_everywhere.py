"""No durable step and no provider call stands outside of a pair of failpoints; else sweeps would pass it by."""

import ast
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import batchor_core.application
from batchor_core import failpoints
from batchor_core.errors import ProviderError
from batchor_core.ports.artifacts import ArtifactStore, ArtifactWriter
from batchor_core.ports.provider import BatchClient
from batchor_core.ports.state import StateStore, UnitOfWork
from batchor_testkit.crash_life import RUN_ID, Life
from batchor_testkit.fault_profiles import CALM, PROFILES, FaultProfile
from batchor_testkit.flaky_provider import FlakyProvider, FlakyProviderFactory

APPLICATION = Path(batchor_core.application.__path__[0])
CLIENT_CALLS = ("upload", "create", "get", "find", "cancel", "download", "delete")
EXCEPTIONS = {
    (
        "leasing.py",
        "transaction",
    ): "the heartbeat only prolongs a lease, in a thread of its own: a death there is one anywhere"
}


class Passed(NamedTuple):
    """A failpoint that was passed, or a durable step or provider call that was begun or done."""

    kind: str
    name: str


class Recorder:
    """What happened, in order."""

    def __init__(self) -> None:
        self.passed: list[Passed] = []
        failpoints.observe(lambda name: self.passed.append(Passed("failpoint", name)))

    def step(self, name: str) -> None:
        self.passed.append(Passed("step", name))


class RecordedStore:
    """Tells of each commit."""

    def __init__(self, inner: StateStore, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def transaction(self) -> Generator[UnitOfWork]:
        with self._inner.transaction() as uow:
            yield uow
            self._recorder.step("commit")


class RecordedArtifacts:
    """Tells of each sync, of each object that becomes visible, and of each deletion."""

    def __init__(self, inner: ArtifactStore, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def append(self, name: str, *, at: int) -> Generator[ArtifactWriter]:
        with self._inner.append(name, at=at) as writer:
            yield RecordedWriter(writer, self._recorder)

    @contextmanager
    def create(self, name: str) -> Generator[ArtifactWriter]:
        with self._inner.create(name) as writer:
            yield writer
        self._recorder.step("artifact created")

    def delete(self, name: str) -> None:
        self._recorder.step("artifact deleted")
        self._inner.delete(name)


class RecordedWriter:
    def __init__(self, inner: ArtifactWriter, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def write(self, data: bytes, /) -> int:
        return self._inner.write(data)

    def sync(self) -> int:
        self._recorder.step("artifact synced")
        return self._inner.sync()


class RecordedClient:
    """Tells of each call, before it is made."""

    def __init__(self, inner: BatchClient, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        def recorded(*args: Any, **options: Any) -> Any:
            self._recorder.step(f"client.{name}")
            return call(*args, **options)

        return recorded

    def find(self, **options: Any) -> Iterator[Any]:
        for remote in self._inner.find(**options):
            self._recorder.step("client.find")
            yield remote


class RecordedProvider(FlakyProvider):
    def __init__(self, life: Life, recorder: Recorder) -> None:
        super().__init__(life.server)
        self._recorded: Any = RecordedClient(super().client, recorder)

    @property
    def client(self) -> Any:
        return self._recorded


class RecordedFactory(FlakyProviderFactory):
    def __init__(self, life: Life, recorder: Recorder) -> None:
        super().__init__(life.server)
        self._life = life
        self._recorder = recorder

    def connect(self, config: object) -> RecordedProvider:
        return RecordedProvider(self._life, self._recorder)


class RecordedLife(Life):
    """A life whose durable steps and provider calls are told of."""

    def recorded(self) -> Recorder:
        recorder = Recorder()
        self.store_seen: Any = RecordedStore(self.checked, recorder)
        self.checked = self.store_seen
        medium: Any = RecordedArtifacts(self.medium, recorder)
        self.medium = medium
        self.factory = RecordedFactory(self, recorder)
        return recorder

    def new_factory(self) -> FlakyProviderFactory:
        return self.factory


def outside(passed: Sequence[Passed]) -> set[str]:
    """Steps that have no open pair around them: a `before` that no other failpoint has followed."""
    last = ""
    found = set()
    for kind, name in passed:
        if kind == "failpoint":
            last = name
        elif not last.endswith(".before"):
            found.add(f"{name}, after {last}")
    return found


def unfollowed(passed: Sequence[Passed]) -> set[str]:
    """Steps of a run without faults that are not followed by the `after` of their pair."""
    found = set()
    pending: list[str] = []
    before = ""
    for kind, name in passed:
        if kind == "step":
            pending.append(name)
        else:
            if pending and name != before.removesuffix("before") + "after":
                found.update(f"{step}, between {before} and {name}" for step in pending)
            pending.clear()
            before = name
    return found


def whole_life(profile: FaultProfile, seed: int, tmp_path: Path, *, then: Callable[[Life], object]) -> Recorder:
    life = RecordedLife(profile, seed)
    recorder = life.recorded()
    life.live()
    then(life)
    failpoints.observe(None)
    return recorder


def retry_export_and_prune(life: Life, tmp_path: Path) -> None:
    run = life.new_process().get_run(RUN_ID)
    with suppress(ProviderError):  # the call may be one that the profile lets fail
        run.audit()
    run.retry()
    run.cancel()
    while not run.is_finished:
        run.refresh()
    run.export_artifacts(tmp_path)
    run.prune_artifacts(include_raw_output_artifacts=True)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_each_step_and_call_of_a_run_stands_behind_a_failpoint(
    profile: FaultProfile, seed: int, tmp_path: Path
) -> None:
    recorder = whole_life(profile, seed, tmp_path, then=lambda life: retry_export_and_prune(life, tmp_path))
    assert outside(recorder.passed) == set()
    assert {name for kind, name in recorder.passed if kind == "step"} >= {"commit", "artifact synced", "client.create"}


@pytest.mark.parametrize("seed", [0, 1])
def test_each_step_and_call_that_goes_well_is_followed_by_a_failpoint(seed: int, tmp_path: Path) -> None:
    calm = replace(CALM, foreign_batches=3)
    recorder = whole_life(calm, seed, tmp_path, then=lambda life: retry_export_and_prune(life, tmp_path))
    assert unfollowed(recorder.passed) == set()


def test_a_step_outside_of_a_pair_is_found() -> None:
    pair = [Passed("failpoint", "a.before"), Passed("step", "commit"), Passed("failpoint", "a.after")]
    assert outside(pair) == unfollowed(pair) == set()
    assert outside([*pair, Passed("step", "sync")]) == {"sync, after a.after"}
    assert unfollowed([*pair[:2], Passed("failpoint", "b.before")]) == {"commit, between a.before and b.before"}


# What a run in memory never comes by is found in the text.


def calls_outside(tree: ast.AST) -> Iterator[str]:
    """Names of durable calls that stand in no `with around(…)`, or before it in the same `with`."""
    yield from _walk(tree, covered=False)


def _walk(node: ast.AST, *, covered: bool) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        covered = False
    if isinstance(node, ast.With):
        for item in node.items:
            covered = covered or _is_around(item.context_expr)
            yield from _walk(item.context_expr, covered=covered)
        for child in node.body:
            yield from _walk(child, covered=covered)
        return
    if isinstance(node, ast.Call) and not covered and (name := _durable_call(node)) is not None:
        yield name
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, covered=covered)


def _is_around(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "around"


def _durable_call(call: ast.Call) -> str | None:
    if not isinstance(call.func, ast.Attribute):
        return None
    owner, name = ast.unparse(call.func.value), call.func.attr
    is_call = owner.endswith("client") and name in CLIENT_CALLS
    is_artifact = owner.endswith("artifacts") and name in {"create", "delete"} and "uow" not in owner
    return name if is_call or is_artifact or name == "transaction" else None


@pytest.mark.parametrize("path", sorted(APPLICATION.glob("*.py")), ids=lambda path: path.name)
def test_each_durable_call_in_the_text_stands_within_a_pair_of_failpoints(path: Path) -> None:
    found = {(path.name, name) for name in calls_outside(ast.parse(path.read_text()))}
    assert found - EXCEPTIONS.keys() == set()


def test_no_exception_is_out_of_date() -> None:
    found = {
        (path.name, name) for path in APPLICATION.glob("*.py") for name in calls_outside(ast.parse(path.read_text()))
    }
    assert EXCEPTIONS.keys() <= found


@pytest.mark.parametrize(
    "text", ["store.transaction()", "client.create(input_file_id=i)", "with ctx.store.transaction(), around('x'): pass"]
)
def test_a_call_outside_of_a_pair_is_found_in_the_text(text: str) -> None:
    assert list(calls_outside(ast.parse(text)))
