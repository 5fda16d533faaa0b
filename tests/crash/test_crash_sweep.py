"""A process that dies at any one step of a run leaves nothing lost, nothing doubled and nothing bought twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchor_artifacts import LocalArtifactStore
from batchor_core import BatchJob, MemoryArtifactStore, MemoryStateStore, Run, failpoints
from batchor_core.failpoints import InjectedCrash
from batchor_core.json_types import JsonObject
from batchor_sqlite import SQLiteStorage

ITEMS = 10
FAILS = {"prompt 3": 2, "prompt 7": 1}
"""So often the provider fails each of these prompts before it answers."""


@dataclass
class Life:
    """One run, begun again after each death until it completes."""

    run: Run[Any]
    deaths: list[str]


def faulty_answer() -> Callable[[str], JsonObject]:
    left = dict(FAILS)

    def answer(prompt: str) -> JsonObject:
        if left.get(prompt, 0) > 0:
            left[prompt] -= 1
            return {"outcome": "provider_failed"}
        return {"text": f"echo: {prompt}"}

    return answer


def live(world: Any, job: Callable[..., BatchJob[Any, None]], *, crash_at: str, hit: int) -> Life:
    world.server.answer, world.server.run_time_s = faulty_answer(), 1.5
    failpoints.arm(crash_at, hit=hit)
    deaths: list[str] = []
    while True:
        try:
            return Life(world.new_process().run_and_wait(job(ITEMS), run_id="swept"), deaths)
        except InjectedCrash as crash:
            deaths.append(str(crash))
            world.outlive_leases()


def sweep(
    new_world: Callable[[int], Any], job: Callable[..., Any], agree: Callable[..., bool], crash_at: str
) -> set[str]:
    """Let the process die at hit 1, 2, 3, … of *crash_at* until a run completes; the names at which it died."""
    hit, died_at = 0, set()
    while True:
        hit += 1
        world = new_world(hit)
        life = live(world, job, crash_at=crash_at, hit=hit)
        results = [(result.item_id, result.output_text) for result in life.run.results()]
        assert results == [(f"item-{n}", f"echo: prompt {n}") for n in range(ITEMS)], life.deaths
        assert agree(world.store, life.run), life.deaths
        executed = Counter(custom_id.partition("-")[2] for custom_id in world.executed)
        assert executed == {str(n): 1 + FAILS.get(f"prompt {n}", 0) for n in range(ITEMS)}, life.deaths
        if not life.deaths:
            return died_at
        died_at.add(life.deaths[0])


def test_a_death_at_any_step_loses_doubles_and_buys_nothing(
    world: Any, job: Callable[..., Any], agree: Callable[..., bool]
) -> None:
    died_at = sweep(lambda _: type(world)(MemoryStateStore(), MemoryArtifactStore()), job, agree, "*")
    assert {
        "submit.create.after",
        "submit.record_batch.before",
        "collect.apply.after",
        "ingest.commit.before",
    } <= died_at


def test_a_death_beside_any_commit_to_sqlite_loses_doubles_and_buys_nothing(
    world: Any, job: Callable[..., Any], agree: Callable[..., bool], tmp_path: Path
) -> None:
    opened: list[SQLiteStorage] = []

    def new_world(number: int) -> Any:
        opened.append(SQLiteStorage(path=tmp_path / f"{number}.sqlite3"))
        return type(world)(opened[-1], LocalArtifactStore(tmp_path / f"{number}_artifacts"))

    try:
        assert sweep(new_world, job, agree, "state.commit.*") == {"state.commit.before", "state.commit.after"}
    finally:
        for store in opened:
            store.close()
