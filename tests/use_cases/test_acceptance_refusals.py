"""What a provider refuses for good ends the step at once: with the right consequence, and without a look for the batch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from batchor_core.domain.batch import RemoteBatch
from batchor_core.domain.job import BatchJob
from batchor_core.errors import ProviderRefusedError, RefusalConsequence, RunPausedError
from batchor_testkit.fake_provider import FakeClient, FakeProvider, FakeProviderFactory, FakeServer

type MakeJob = Callable[..., BatchJob[Any, None]]


@dataclass
class Refusals:
    """Which calls are refused from now on, and what was called."""

    calls: dict[str, RefusalConsequence] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)


class RefusingClient(FakeClient):
    def __init__(self, server: FakeServer, refusals: Refusals) -> None:
        super().__init__(server)
        self._refusals = refusals

    def create(self, *, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        self._refuse("create")
        return super().create(input_file_id=input_file_id, metadata=metadata)

    def get(self, provider_batch_id: str) -> RemoteBatch:
        self._refuse("get")
        return super().get(provider_batch_id)

    def find(self, *, since: datetime) -> Iterator[RemoteBatch]:
        self._refusals.made.append("find")
        return super().find(since=since)

    def _refuse(self, call: str) -> None:
        self._refusals.made.append(call)
        if (consequence := self._refusals.calls.get(call)) is not None:
            raise ProviderRefusedError(f"{call} was refused", consequence=consequence)


class RefusingProvider(FakeProvider):
    def __init__(self, server: FakeServer, refusals: Refusals) -> None:
        super().__init__(server)
        self._refusing = RefusingClient(server, refusals)

    @property
    def client(self) -> FakeClient:
        return self._refusing


class RefusingFactory(FakeProviderFactory):
    def __init__(self, server: FakeServer, refusals: Refusals) -> None:
        super().__init__(server)
        self._connection = RefusingProvider(server, refusals)

    def connect(self, config: object) -> FakeProvider:
        return self._connection


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
def runner(world: Any, refusals: Refusals) -> Any:
    return world.new_process(providers={"fake": RefusingFactory(world.server, refusals)})


@pytest.mark.parametrize("consequence", RefusalConsequence)
@pytest.mark.parametrize("call", ["create", "get"])
def test_a_definite_refusal_pauses_with_its_reason_and_a_resumed_run_buys_each_request_once(
    world: Any, runner: Any, job: MakeJob, refusals: Refusals, *, call: str, consequence: RefusalConsequence
) -> None:
    refusals.calls = {call: consequence}
    with pytest.raises(RunPausedError, match=f"{call} was refused"):
        runner.run_and_wait(job(4), run_id="refused", timeout=3_600)
    run = runner.get_run("refused")
    assert run.summary().control_reason == consequence.value
    assert refusals.made.count(call) == 1
    assert "find" not in refusals.made
    refusals.calls = {}
    run.resume()
    assert len(runner.run_and_wait(job(4), run_id="refused").results()) == 4
    assert (world.server.create_calls, len(world.executed)) == (1, 4)


def test_a_batch_that_is_not_there_any_more_pauses_with_a_reason_of_its_own(world: Any, job: MakeJob) -> None:
    run = world.new_process().start(job(4))
    hidden = dict(world.server.batches)
    world.server.batches.clear()
    world.clock.advance(5)
    with pytest.raises(RunPausedError, match="no batch"):
        run.wait()
    assert run.summary().control_reason == "missing_batch"
    world.server.batches.update(hidden)
    run.resume()
    assert len(run.wait().results()) == 4
    assert len(world.executed) == 4
