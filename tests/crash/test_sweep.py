"""A process that dies at any one step of a run leaves nothing lost, nothing doubled and nothing bought twice."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from batchor_artifacts import LocalArtifactStore
from batchor_core import failpoints
from batchor_core.ports.state import StateStore
from batchor_postgres import PostgresStorage
from batchor_sqlite import SQLiteStorage
from batchor_testkit.crash_life import Life
from batchor_testkit.crash_sweep import Tally, sweep, sweep_pairs
from batchor_testkit.fault_profiles import CALM, PROFILES, FaultProfile
from batchor_testkit.postgres_server import postgres_url  # noqa: F401  a fixture

SOAK_SEEDS = range(12)
SHORT_STEP = 59
PAIRS = 6
SOAK_PAIRS = 300
CERTAINLY = {"submit.create.after", "submit.record_batch.before", "collect.apply.after", "ingest.commit.before"}

type PrintInTable = Callable[[Tally], None]

pytestmark = pytest.mark.timeout(3_600)


def seeds_of(profile: FaultProfile, *, is_soak: bool) -> Iterable[int]:
    """In a soak, each kind of source and of retention meets each kind of fault; in a short run they take turns."""
    return SOAK_SEEDS if is_soak else [PROFILES.index(profile) % 4]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_death_at_any_step_loses_doubles_and_buys_nothing(
    print_in_table: PrintInTable, profile: FaultProfile, is_soak: bool
) -> None:
    tally = Tally(profile.name)
    for seed in seeds_of(profile, is_soak=is_soak):
        tally.merge(sweep(profile, seed))
    print_in_table(tally)
    assert tally.notes == []
    assert tally.died_at >= CERTAINLY


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_second_death_during_recovery_loses_doubles_and_buys_nothing(
    print_in_table: PrintInTable, profile: FaultProfile, is_soak: bool
) -> None:
    tally = Tally(profile.name)
    for seed in seeds_of(profile, is_soak=is_soak):
        tally.merge(sweep_pairs(profile, seed, number=SOAK_PAIRS if is_soak else PAIRS))
    print_in_table(tally)
    assert tally.notes == []
    assert tally.kills > tally.lives


class PostgresByTestClock(PostgresStorage):
    """Judges leases by the clock of the test, which is moved by hand."""

    def now(self, local: datetime) -> datetime:
        return local


@pytest.fixture(params=["sqlite", "postgres"])
def new_stored_life(
    request: pytest.FixtureRequest, tmp_path: Path, is_soak: bool
) -> Iterator[Callable[[FaultProfile, int], Life]]:
    """Lives that are kept in a database, each in one of its own."""
    opened: list[StateStore] = []
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None

    def new_store(place: Path) -> StateStore:
        if url is None:
            return SQLiteStorage(path=place.with_suffix(".sqlite3"))
        return PostgresByTestClock(url, schema=f"sweep_{uuid.uuid4().hex[:12]}")

    def new_life(profile: FaultProfile, seed: int) -> Life:
        place = tmp_path / str(len(opened))
        opened.append(new_store(place))
        return Life(profile, seed, store=opened[-1], artifacts=LocalArtifactStore(place), items=5 if is_soak else 3)

    yield new_life
    for store in opened:
        store.close()


@pytest.fixture
def new_tally(request: pytest.FixtureRequest, new_stored_life: object) -> Callable[[FaultProfile], Tally]:
    """An empty tally, named after the profile and the database of `new_stored_life`."""
    del new_stored_life
    database = request.node.callspec.params["new_stored_life"]
    return lambda profile: Tally(f"{profile.name}, {database}")


# Every second hit, so that two processes can share the work.
@pytest.mark.parametrize("half", [(1, "state.commit.before"), (2, "state.commit.after")], ids=["before", "after"])
def test_a_death_beside_any_commit_to_a_database_loses_doubles_and_buys_nothing(
    new_tally: Callable[[FaultProfile], Tally],
    print_in_table: PrintInTable,
    new_stored_life: Callable[[FaultProfile, int], Life],
    is_soak: bool,
    half: tuple[int, str],
) -> None:
    first, place = half
    tally = new_tally(CALM)
    for seed in range(4 if is_soak else 1):
        tally.merge(sweep(CALM, seed, new_life=new_stored_life, crash_at="state.commit.*", first=first, step=2))
    print_in_table(tally)
    assert tally.notes == []
    assert tally.died_at == {place}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_death_at_any_step_on_a_database_loses_doubles_and_buys_nothing(
    new_tally: Callable[[FaultProfile], Tally],
    print_in_table: PrintInTable,
    new_stored_life: Callable[[FaultProfile, int], Life],
    profile: FaultProfile,
    is_soak: bool,
) -> None:
    tally = new_tally(profile)
    # In memory every hit is tried; here, in a short run, some of each profile: another one first for each.
    first, step = (1, 1) if is_soak else (1 + 3 * PROFILES.index(profile) % SHORT_STEP, SHORT_STEP)
    for seed in seeds_of(profile, is_soak=is_soak):
        tally.merge(sweep(profile, seed, new_life=new_stored_life, first=first, step=step))
    print_in_table(tally)
    assert tally.notes == []
    assert tally.kills > 0


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_second_death_on_a_database_loses_doubles_and_buys_nothing(
    new_tally: Callable[[FaultProfile], Tally],
    print_in_table: PrintInTable,
    new_stored_life: Callable[[FaultProfile, int], Life],
    profile: FaultProfile,
    is_soak: bool,
) -> None:
    tally = new_tally(profile)
    for seed in seeds_of(profile, is_soak=is_soak):
        tally.merge(sweep_pairs(profile, seed, number=SOAK_PAIRS if is_soak else 2, new_life=new_stored_life))
    print_in_table(tally)
    assert tally.notes == []
    assert tally.kills > tally.lives


@pytest.mark.parametrize(
    "profile", [profile for profile in PROFILES if profile is not CALM], ids=lambda each: each.name
)
def test_each_profile_does_what_it_is_called(profile: FaultProfile) -> None:
    struck = 0
    for seed in range(4):
        life = Life(profile, seed)
        life.live()
        struck += sum(life.server.dice.struck.values())
    assert struck


def test_a_death_is_felt() -> None:
    failpoints.arm("submit.create.after")
    with pytest.raises(failpoints.InjectedCrash):
        Life().start()
