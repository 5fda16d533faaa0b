"""A process that dies at any one step of a run leaves nothing lost, nothing doubled and nothing bought twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from batchor_artifacts import LocalArtifactStore
from batchor_core import BatchJob, MemoryArtifactStore, MemoryStateStore, Run, failpoints
from batchor_core.failpoints import InjectedCrash
from batchor_core.json_types import JsonObject
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import StateStore
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


def live(world: Any, job: Callable[..., BatchJob[Any, None]], *, crash_at_hit: int) -> Life:
    world.server.answer = faulty_answer()
    failpoints.arm("*", hit=crash_at_hit)
    deaths: list[str] = []
    while True:
        try:
            return Life(world.new_process().run_and_wait(job(ITEMS), run_id="swept"), deaths)
        except InjectedCrash as crash:
            deaths.append(str(crash))
            world.outlive_leases()


@pytest.fixture(params=["memory", "sqlite"])
def new_world(request: pytest.FixtureRequest, tmp_path: Path, world: Any) -> Iterator[Callable[[int], Any]]:
    opened: list[SQLiteStorage] = []

    def stores(number: int) -> tuple[StateStore, ArtifactStore]:
        if request.param == "memory":
            return MemoryStateStore(), MemoryArtifactStore()
        store = SQLiteStorage(path=tmp_path / f"{number}.sqlite3")
        opened.append(store)
        return store, LocalArtifactStore(tmp_path / f"{number}_artifacts")

    yield lambda number: type(world)(*stores(number))
    for store in opened:
        store.close()


def test_a_death_at_any_step_loses_doubles_and_buys_nothing(
    new_world: Callable[[int], Any], job: Callable[..., Any], agree: Callable[..., bool]
) -> None:
    hit, passed = 0, set()
    while True:
        hit += 1
        world = new_world(hit)
        life = live(world, job, crash_at_hit=hit)
        results = [(result.item_id, result.output_text) for result in life.run.results()]
        assert results == [(f"item-{n}", f"echo: prompt {n}") for n in range(ITEMS)], life.deaths
        assert agree(world.store, life.run), life.deaths
        executed = Counter(custom_id.partition("-")[2] for custom_id in world.executed)
        assert executed == {str(n): 1 + FAILS.get(f"prompt {n}", 0) for n in range(ITEMS)}, life.deaths
        if not life.deaths:
            break
        passed.add(life.deaths[0])
    assert {"submit.create.after", "submit.record_batch.before", "collect.apply.after", "ingest.commit.before"} <= passed
