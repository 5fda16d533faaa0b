from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import Batch

from batchor_emulator import EmulatorProcess
from batchor_emulator.state.batch_status import TERMINAL, TRANSITIONS, BatchEvent, BatchStatus, next_status

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Lines = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def slow_client() -> Iterator[OpenAI]:
    """A client of an emulator that takes 20 ms a request."""
    with (
        EmulatorProcess(arguments=["--row-s=0.02", "--cancelling-s=0.1"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        yield openai


def test_batches_are_listed_newest_first_over_many_pages(row: Row) -> None:
    with (
        EmulatorProcess() as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        file = openai.files.create(file=("input.jsonl", b"{}"), purpose="batch")
        created = [
            openai.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h").id
            for _ in range(205)
        ]
        pages = list(openai.batches.list(limit=100).iter_pages())
        assert [len(page.data) for page in pages] == [100, 100, 5]
        assert [page.has_more for page in pages] == [True, True, False]
        assert [batch.id for page in pages for batch in page.data] == created[::-1]
        assert len(openai.batches.list().data) == 20
        assert openai.batches.list(after=created[0]).data == []
        process.restart()
        assert [batch.id for batch in openai.batches.list(limit=100)] == created[::-1]


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_of_another_size_is_refused(client: OpenAI, limit: int) -> None:
    with pytest.raises(BadRequestError, match="limit"):
        client.batches.list(limit=limit)


def test_a_page_behind_an_unknown_batch_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="batch_nowhere"):
        client.batches.list(after="batch_nowhere")


def test_a_cancelled_batch_keeps_what_was_done(
    slow_client: OpenAI, row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    batch = wait(slow_client, start(slow_client, [row(number) for number in range(500)]), "in_progress")
    while (counts := slow_client.batches.retrieve(batch.id).request_counts) is None or counts.completed < 3:
        pass
    cancelling = slow_client.batches.cancel(batch.id)
    assert cancelling.status == "cancelling"
    assert slow_client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    cancelled = wait(slow_client, cancelling)
    assert cancelled.status == "cancelled"
    assert cancelled.cancelled_at is not None
    assert cancelled.request_counts is not None
    assert 3 <= cancelled.request_counts.completed < 500
    assert len(lines(slow_client, cancelled.output_file_id)) == cancelled.request_counts.completed


def test_a_batch_can_be_cancelled_before_it_was_validated(
    slow_client: OpenAI, row: Row, start: Start, wait: Start
) -> None:
    batch = start(slow_client, [row(1)])
    slow_client.batches.cancel(batch.id)
    cancelled = wait(slow_client, batch)
    assert cancelled.status == "cancelled"
    assert cancelled.output_file_id is None


def test_a_batch_that_has_ended_can_not_be_cancelled(client: OpenAI, row: Row, start: Start, wait: Start) -> None:
    batch = wait(client, start(client, [row(1)]))
    with pytest.raises(BadRequestError, match="Cannot cancel a batch with status 'completed'"):
        client.batches.cancel(batch.id)


def test_an_expired_batch_names_every_request_that_was_not_run(
    row: Row, start: Start, wait: Start, lines: Lines
) -> None:
    with (
        EmulatorProcess(arguments=["--row-s=0.02", "--completion-window-s=0.7"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        batch = wait(openai, start(openai, [row(number) for number in range(100)]))
        done = lines(openai, batch.output_file_id)
        unfinished = lines(openai, batch.error_file_id)
        assert batch.status == "expired"
        assert batch.expired_at is not None
        assert 0 < len(done) < 100
        assert {line["custom_id"] for line in done + unfinished} == {str(number) for number in range(100)}
        for line in unfinished:
            assert line["response"] is None
            assert line["error"]["code"] == "batch_expired"
        assert {entry.custom_id for entry in process.ledger()} == {line["custom_id"] for line in done}


def test_many_batches_run_at_once(row: Row, start: Start, wait: Start) -> None:
    with (
        EmulatorProcess(arguments=["--run-s=0.5"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        batches = [start(openai, [row(number) for number in range(3)]) for _ in range(30)]
        assert all(wait(openai, batch).status == "completed" for batch in batches)
        entries = list(process.ledger())
        assert len(entries) == 90
        assert len({(entry.batch_id, entry.custom_id) for entry in entries}) == 90
        first = {batch.id: min(e.executed_at for e in entries if e.batch_id == batch.id) for batch in batches}
        last = {batch.id: max(e.executed_at for e in entries if e.batch_id == batch.id) for batch in batches}
        assert any(
            first[b] < last[a] and first[a] < last[b] for a, b in itertools.pairwise(batch.id for batch in batches)
        )


def test_every_status_and_event_leads_where_the_table_says() -> None:
    assert {"failed", "completed", "expired", "cancelled"} == TERMINAL
    for status, event in itertools.product(BatchStatus, BatchEvent):
        assert next_status(status, event) == TRANSITIONS.get((status, event))
    reachable = {BatchStatus.VALIDATING, *TRANSITIONS.values()}
    assert reachable == set(BatchStatus)
