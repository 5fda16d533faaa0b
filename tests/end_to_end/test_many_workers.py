"""Many workers on one storage: killed, frozen, cut off from it. The emulator's ledger says who executed what, how often."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batchor_core import BatchItem, BatchJob, BatchRunner, ChunkPolicy, RetryPolicy, Run, TextItemResult
from batchor_emulator import EmulatorProcess, FaultProfile, Status
from batchor_openai import OpenAIEnqueueLimitConfig, OpenAIProviderConfig
from batchor_testkit.postgres_server import PostgresServer, installations, no_postgres, postgres_url  # noqa: F401  a fixture

sys.path.insert(0, str(Path(__file__).parent))
from cut_proxy import CutProxy
from worker_process import open_runner

ITEMS = int(os.environ.get("BATCHOR_SOAK_ITEMS", "200000"))
BATCHES = 40
KILLS = 30
NEVER_REACHED = 10**9
_SCRIPT = Path(__file__).with_name("worker_process.py")


@dataclass
class Workshop:
    """A storage, a provider, and the worker processes between them."""

    place: dict[str, str]
    emulator: EmulatorProcess
    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    runner: BatchRunner = field(init=False)

    def __post_init__(self) -> None:
        self.runner = open_runner(self.place)

    def start(
        self, count: int, *, requests_a_batch: int, limit: int = NEVER_REACHED, words: int = 0
    ) -> Run[TextItemResult]:
        """A run whose input is read, and nothing sent."""
        job = BatchJob(
            items=(BatchItem(f"item-{n}", n) for n in range(count)),
            build_prompt=lambda item: f"prompt {item.payload}{' word' * words}",
            provider_config=OpenAIProviderConfig(
                model="gpt-4.1",
                base_url=self.emulator.base_url,
                poll_interval_s=0.2,
                request_timeout_s=20,
                # The emulator counts bytes and not tokens, some 6 % more.
                enqueue_limits=OpenAIEnqueueLimitConfig(enqueued_token_limit=limit, target_ratio=0.9),
            ),
            chunk_policy=ChunkPolicy(max_requests=requests_a_batch),
            retry_policy=RetryPolicy(base_backoff_s=0.1, max_backoff_s=1, max_deferrals=100),
        )
        return self.runner.start(job, detach=True)

    def hire(self, **environment: str) -> subprocess.Popen[bytes]:
        """One more worker, which ends when nothing is left to do; its log is `worker-N.log`."""
        env = {
            **os.environ,
            **self.place,
            "OPENAI_API_KEY": "any",
            "OPENAI_BASE_URL": self.emulator.base_url,
            **environment,
        }
        with self.log(len(self.workers)).open("wb") as log:
            worker = subprocess.Popen([sys.executable, _SCRIPT], env=env, stderr=log, stdout=log)
        self.workers.append(worker)
        return worker

    def log(self, number: int) -> Path:
        return self.folder / f"worker-{number}.log"

    def wait(self, run: Run[TextItemResult], *, timeout_s: float, beside: Callable[[], object] = lambda: None) -> None:
        """Until the run is finished by the workers; *beside* is called all the while."""
        deadline = time.monotonic() + timeout_s
        while not run.is_finished:
            assert time.monotonic() < deadline, f"not finished in time: {run.snapshot()}"
            beside()
            time.sleep(0.1)

    def dismiss(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait(20)
        self.runner.close()

    def assert_each_was_executed_once(self, *runs: Run[TextItemResult], items: int) -> None:
        for run in runs:
            assert run.audit(ask_provider=False).is_clean
            assert run.summary().counts.completed == items
        executed = Counter(entry.custom_id for entry in self.emulator.ledger())
        assert (len(executed), set(executed.values())) == (items * len(runs), {1})

    def reserved_tokens(self) -> int:
        with self.runner._services.store.reading() as uow:
            return sum(uow.capacity.get(scope).reserved for scope in self._scopes())

    def _scopes(self) -> set[str]:
        return {
            OpenAIProviderConfig(
                model="gpt-4.1",
                base_url=self.emulator.base_url,
                enqueue_limits=OpenAIEnqueueLimitConfig(enqueued_token_limit=1_000),
            ).quota_scope
        }


type MakeWorkshop = Callable[..., Workshop]


@pytest.fixture
def workshop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeWorkshop]:
    """Opens workshops over "sqlite", "postgres", or a PostgreSQL URL."""
    opened: list[Workshop] = []

    def open_workshop(storage: str, emulator: EmulatorProcess, **place: str) -> Workshop:
        url = request.getfixturevalue("postgres_url") if storage == "postgres" else storage
        state = str(tmp_path / "state.sqlite3") if storage == "sqlite" else url
        schema = f"workers_{uuid.uuid4().hex[:12]}"
        whole = {"STATE": state, "SCHEMA": schema, "ARTIFACTS": str(tmp_path / "artifacts"), **place}
        opened.append(Workshop(whole, emulator, tmp_path))
        return opened[-1]

    yield open_workshop
    for each in opened:
        each.dismiss()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    if not installations():
        no_postgres()
    with PostgresServer() as server:
        yield server


class Killer:
    """Kills a worker every now and then, and hires another; calls *after_the_last* of its kills."""

    def __init__(
        self, workshop: Workshop, *, kills: int, seed: int, after_the_last: Callable[[], object] = lambda: None
    ) -> None:
        self._workshop = workshop
        self._after_the_last = after_the_last
        self._random = random.Random(seed)  # noqa: S311  repeatable
        self._left = kills
        self._next_at = time.monotonic() + 2
        self.killed = 0

    def __call__(self) -> None:
        if self.killed >= self._left or time.monotonic() < self._next_at:
            return
        alive = [worker for worker in self._workshop.workers if worker.poll() is None]
        if alive:
            victim = self._random.choice(alive)
            victim.kill()
            victim.wait(10)
            self.killed += 1
        self._workshop.hire()
        if self.killed == self._left:
            self._after_the_last()
        self._next_at = time.monotonic() + self._random.uniform(0.2, 0.8)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("storage", ["sqlite", "postgres"])
def test_four_workers_finish_a_run_though_they_are_killed_thirty_times(
    storage: str, workshop: MakeWorkshop, record_property: Callable[[str, object], None]
) -> None:
    # The last batches are refused until the last kill: however fast the workers are, the run outlasts them all.
    held_back = FaultProfile(calls=(Status(on="batches.create", skip=BATCHES - 4, status=429, retry_after_s=1),))
    with EmulatorProcess(arguments=["--run-s=3"], faults=held_back) as emulator:
        shop = workshop(storage, emulator)
        run = shop.start(ITEMS, requests_a_batch=ITEMS // BATCHES)
        began = time.monotonic()
        for _ in range(4):
            shop.hire()
        killer = Killer(shop, kills=KILLS, seed=7, after_the_last=emulator.clear_faults)
        shop.wait(run, timeout_s=400, beside=killer)
        print(f"{storage}: {ITEMS} items, {killer.killed} kills, {time.monotonic() - began:.0f} s")
        assert killer.killed == KILLS
        assert run.summary().batches >= BATCHES
        assert shop.reserved_tokens() == 0
        shop.assert_each_was_executed_once(run, items=ITEMS)


FROZEN_AT = (
    "submit.upload.after",
    "submit.create.before",
    "submit.create.after",
    "poll.record.before",
    "collect.apply.before",
)


@pytest.mark.parametrize("storage", ["sqlite", "postgres"])
@pytest.mark.parametrize("place", FROZEN_AT)
def test_the_late_writes_of_a_worker_that_was_frozen_past_its_lease_are_refused(
    storage: str, place: str, workshop: MakeWorkshop, emulator: EmulatorProcess
) -> None:
    before = Counter(entry.custom_id for entry in emulator.ledger())
    shop = workshop(storage, emulator, LEASE_TTL_S="1", CONCURRENCY="1")
    run = shop.start(400, requests_a_batch=100)
    frozen = shop.hire(BATCHOR_FAILPOINT=f"{place}:2:freeze")
    _until(lambda: _is_stopped(frozen))
    shop.hire()
    shop.wait(run, timeout_s=60)
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(30) == 0
    assert "was lost to another worker" in shop.log(0).read_text()
    executed = Counter(entry.custom_id for entry in emulator.ledger()) - before
    assert (len(executed), set(executed.values())) == (400, {1})
    assert run.audit(ask_provider=False).is_clean


def test_workers_wait_for_a_postgres_that_restarts_and_finish(
    workshop: MakeWorkshop, own_server: PostgresServer
) -> None:
    with EmulatorProcess(arguments=["--run-s=1"]) as emulator:
        shop = workshop(own_server.url(), emulator)
        run = shop.start(4_000, requests_a_batch=200)
        workers = [shop.hire() for _ in range(2)]
        _until(lambda: run.summary().batches >= 4)
        own_server.stop(immediately=True)
        time.sleep(2)
        own_server.start()
        _until(lambda: _can_be_read(run))
        shop.wait(run, timeout_s=90)
        assert [worker.wait(30) for worker in workers] == [0, 0]
        assert "the storage is unavailable" in shop.log(0).read_text() + shop.log(1).read_text()
        shop.assert_each_was_executed_once(run, items=4_000)


def test_workers_survive_a_cut_between_them_and_postgres(workshop: MakeWorkshop, own_server: PostgresServer) -> None:
    with EmulatorProcess(arguments=["--run-s=1"]) as emulator, CutProxy(own_server.port) as proxy:
        shop = workshop(own_server.url(), emulator, TIMEOUT_S="3")
        run = shop.start(4_000, requests_a_batch=200)
        cut_off = shop.hire(STATE=own_server.url(port=proxy.port))
        _until(lambda: run.summary().batches >= 4)
        proxy.cut()
        time.sleep(6)
        proxy.mend()
        shop.wait(run, timeout_s=90)
        assert cut_off.wait(30) == 0
        assert "the storage is unavailable" in shop.log(0).read_text()
        shop.assert_each_was_executed_once(run, items=4_000)


@pytest.mark.parametrize("storage", ["sqlite", "postgres"])
def test_ten_runs_of_one_quota_scope_never_enqueue_more_than_its_limit_whoever_dies(
    storage: str, workshop: MakeWorkshop
) -> None:
    limit = 20_000  # four batches; three workers with two steps each would enqueue six
    with EmulatorProcess(arguments=["--run-s=0.3"]) as emulator:
        shop = workshop(storage, emulator)
        runs = [shop.start(200, requests_a_batch=100, limit=limit, words=40) for _ in range(10)]
        for _ in range(3):
            shop.hire()
        killer = Killer(shop, kills=5, seed=3)
        for run in runs:
            shop.wait(run, timeout_s=120, beside=killer)
        assert killer.killed > 0
        highest = emulator.tokens().highest["gpt-4.1"]
        assert limit / 2 < highest <= limit
        assert shop.reserved_tokens() == 0
        shop.assert_each_was_executed_once(*runs, items=200)


def _until(condition: Callable[[], bool], *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def _is_stopped(process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _can_be_read(run: Run[Any]) -> bool:
    from batchor_core.errors import StorageUnavailableError

    try:
        run.summary()
    except StorageUnavailableError:
        return False
    return True
