import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from batchor_core.domain.batch import RemoteBatch
from batchor_core.errors import ProviderRefusedError, ProviderThrottledError, ProviderUnavailableError
from batchor_testkit.fake_clock import FakeClock
from batchor_testkit.fault_profiles import CALM, PROFILES, BatchFault, CallFault, FaultProfile, OutputFault
from batchor_testkit.flaky_provider import LURKS_S, FlakyClient
from batchor_testkit.flaky_server import FlakyServer
from batchor_testkit.provider_contract import MemorySink

ALWAYS: dict[str, Any] = {"rate": 1.0, "at_most": 1}
REQUESTS = [{"custom_id": f"ab12cd34-{n}", "prompt": f"p{n}"} for n in range(4)]


def flaky(**faults: Any) -> tuple[FlakyServer, FlakyClient]:
    server = FlakyServer(FakeClock(), profile=replace(CALM, **{**ALWAYS, **faults}))
    return server, FlakyClient(server)


def uploaded(client: FlakyClient) -> str:
    lines = "".join(json.dumps(request) + "\n" for request in REQUESTS)
    return client.upload(io.BytesIO(lines.encode()), name="input.jsonl")


def created(client: FlakyClient) -> RemoteBatch:
    return client.create(input_file_id=uploaded(client), metadata={"key": "k"})


def lines_of(server: FlakyServer, file_id: str | None) -> list[bytes]:
    return [] if file_id is None else server.files[file_id].split(b"\n")[:-1]


@pytest.mark.parametrize(
    ("fault", "error", "acts"),
    [
        (CallFault.DROP_BEFORE_ACTING, ProviderUnavailableError, False),
        (CallFault.ACT_THEN_DROP, ProviderUnavailableError, True),
        (CallFault.ACT_THEN_500, ProviderUnavailableError, True),
        (CallFault.THROTTLED, ProviderThrottledError, False),
        (CallFault.AUTH, ProviderRefusedError, False),
    ],
)
def test_a_failed_create_has_acted_or_has_not(fault: CallFault, error: type[Exception], acts: bool) -> None:
    server, client = flaky(creates=(fault,))
    file_id = uploaded(client)
    with pytest.raises(error):
        client.create(input_file_id=file_id, metadata={})
    assert bool(server.batches) == acts
    client.create(input_file_id=file_id, metadata={})


def test_a_lurking_create_arrives_late_unless_its_file_is_gone() -> None:
    for deletes in (False, True):
        server, client = flaky(creates=(CallFault.LURK,))
        file_id = uploaded(client)
        with pytest.raises(ProviderUnavailableError):
            client.create(input_file_id=file_id, metadata={})
        assert server.batches == {}
        if deletes:
            client.delete(file_id)
        server.clock.sleep(LURKS_S)
        client.delete("another file")
        assert bool(server.batches) == (not deletes)


def test_a_download_whose_answer_is_lost_has_written_half_of_the_file() -> None:
    server, client = flaky(calls=(CallFault.ACT_THEN_DROP,))
    file_id = server.store(b"0123456789")
    sink = MemorySink()
    with pytest.raises(ProviderUnavailableError):
        client.download(file_id, sink, max_bytes=100)
    assert sink.content == b"01234"


def test_a_listing_lags_and_shows_what_others_have() -> None:
    server, client = flaky(list_lag_s=10.0, foreign_batches=3)
    since = server.clock.now() - timedelta(hours=1)
    batch = created(client)
    found = {each.provider_batch_id for each in client.find(since=since)}
    server.clock.sleep(11)
    assert {each.provider_batch_id for each in client.find(since=since)} - found == {batch.provider_batch_id}
    assert len(found) == 3


def test_each_page_of_a_slow_listing_takes_its_time() -> None:
    server, client = flaky(foreign_batches=5, page_size=2, page_s=9.0)
    before = server.clock.monotonic()
    list(client.find(since=server.clock.now()))
    assert server.clock.monotonic() - before == 27.0


def test_a_full_queue_fails_the_batch_and_runs_nothing() -> None:
    server, client = flaky(batches=(BatchFault.QUEUE_FULL,))
    ended = client.get(created(client).provider_batch_id)
    assert (ended.provider_status, [fault.transient for fault in ended.faults]) == ("failed", [True])
    assert server.ledger == []


def test_a_bad_line_fails_the_batch_and_is_named() -> None:
    server, client = flaky(batches=(BatchFault.BAD_LINE,))
    (fault,) = client.get(created(client).provider_batch_id).faults
    assert fault.line is not None
    assert server.refused == {REQUESTS[fault.line - 1]["custom_id"]}
    assert server.ledger == []


def test_a_batch_that_expired_halfway_has_run_and_answered_half() -> None:
    server, client = flaky(batches=(BatchFault.EXPIRED_HALFWAY,))
    ended = client.get(created(client).provider_batch_id)
    assert ended.provider_status == "expired"
    assert len(server.ledger) == len(lines_of(server, ended.output_file_id)) == 2


@pytest.mark.parametrize(
    ("fault", "output", "errors", "answered"),
    [
        (OutputFault.LOST, 3, 0, 3),
        (OutputFault.GARBAGE, 4, 0, 3),
        (OutputFault.STATUS_ZERO, 3, 1, 3),
        (OutputFault.DUPLICATE, 5, 0, 4),
        (OutputFault.FOREIGN, 6, 0, 4),
        (OutputFault.SECOND_ANSWER, 4, 1, 4),
    ],
)
def test_the_ledger_knows_what_was_delivered_of_what_was_executed(
    fault: OutputFault, output: int, errors: int, answered: int
) -> None:
    server, client = flaky(lines=(fault,))
    ended = client.get(created(client).provider_batch_id)
    assert len(lines_of(server, ended.output_file_id)) == output
    assert len(lines_of(server, ended.error_file_id)) == errors
    assert len(server.ledger) == len(server.deliveries) == 4
    assert sum(bool(delivery.answers) for delivery in server.deliveries) == answered


def ended_after_its_input_was_deleted(server: FlakyServer, client: FlakyClient) -> RemoteBatch:
    batch = created(client)
    client.delete(batch.input_file_id or "")
    return client.get(batch.provider_batch_id)


def test_a_batch_survives_the_deletion_of_its_input_unless_told_otherwise() -> None:
    assert ended_after_its_input_was_deleted(*flaky()).provider_status == "completed"
    assert ended_after_its_input_was_deleted(*flaky(loses_deleted_input=True)).provider_status == "failed"


def test_what_nobody_looks_at_is_bought_all_the_same() -> None:
    server, client = flaky(creates=(CallFault.LURK,))
    with pytest.raises(ProviderUnavailableError):
        created(client)
    server.run_all()
    assert len(server.ledger) == 4


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_same_seed_gives_the_same_faults(profile: FaultProfile) -> None:
    def struck(seed: int) -> list[object]:
        dice = FlakyServer(FakeClock(), profile=profile, seed=seed).dice
        faults: tuple[Any, ...] = (*profile.calls, *profile.creates, *profile.batches, *profile.lines)
        return [dice.throw(faults) for _ in range(100)]

    assert struck(1) == struck(1)
    counts: Callable[[object], int] = struck(1).count
    assert all(counts(fault) <= profile.at_most for fault in (*CallFault, *BatchFault, *OutputFault))
