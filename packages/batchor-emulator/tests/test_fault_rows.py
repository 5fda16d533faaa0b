from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import EmulatorProcess, FaultProfile, RowFault, RowFaultKind

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]
type Wait = Callable[..., Batch]

K = RowFaultKind


class Rehearsal:
    """Runs ten rows, numbered from 0, under faults of rows, and reads what came of them."""

    def __init__(self, process: EmulatorProcess, client: OpenAI, run: Callable[..., Batch], row: Row) -> None:
        self._process = process
        self._client = client
        self._run = run
        self._row = row

    def run(self, *faults: RowFault, url: str = "/v1/responses", seed: int = 0, **body: Any) -> Batch:
        self._process.set_faults(FaultProfile(seed=seed, rows=faults))
        return self._run(self._client, [self._row(number, url, **body) for number in range(10)], endpoint=url)

    def raw_lines(self, file_id: str | None) -> Sequence[bytes]:
        return [] if file_id is None else self._client.files.content(file_id).content.split(b"\n")[:-1]

    def line(self, file_id: str | None, custom_id: str) -> dict[str, Any]:
        (found,) = (
            line
            for line in map(json.loads, self.raw_lines(file_id))
            if isinstance(line, dict) and line["custom_id"] == custom_id
        )
        return found

    def ids(self, file_id: str | None) -> list[str]:
        return sorted(json.loads(line)["custom_id"] for line in self.raw_lines(file_id))

    def ledger(self, batch: Batch) -> dict[str, int]:
        """The status by custom_id; fails when a request was executed twice."""
        entries = [entry for entry in self._process.ledger() if entry.batch_id == batch.id]
        assert len({entry.custom_id for entry in entries}) == len(entries)
        return {entry.custom_id: entry.status_code for entry in entries}


@pytest.fixture
def rehearsal(faulty: EmulatorProcess, faulty_client: OpenAI, run: Callable[..., Batch], row: Row) -> Rehearsal:
    return Rehearsal(faulty, faulty_client, run, row)


_ALL = [str(number) for number in range(10)]


def test_a_lost_line_was_executed_and_is_in_no_file(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.LOST, lines=(3, 4)))
    assert rehearsal.ids(batch.output_file_id) == [name for name in _ALL if name not in ("2", "3")]
    assert batch.error_file_id is None
    assert rehearsal.ledger(batch) == dict.fromkeys(_ALL, 200)


def test_a_duplicate_line_was_executed_once(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.DUPLICATE, lines=(1,)))
    assert rehearsal.ids(batch.output_file_id) == ["0", *_ALL]
    assert rehearsal.ledger(batch) == dict.fromkeys(_ALL, 200)


def test_garbage_takes_the_place_of_one_line_and_spoils_no_other(rehearsal: Rehearsal) -> None:
    garbage = RowFault(kind=K.GARBAGE, lines=tuple(range(1, 10)))
    batch = rehearsal.run(garbage)
    found = rehearsal.raw_lines(batch.output_file_id)
    assert len(found) == 10
    assert rehearsal.ledger(batch) == dict.fromkeys(_ALL, 200)
    assert len(set(found)) == 10
    assert any(b"\xff" in line for line in found)
    assert [line for line in found if line.endswith(b"}") and json.loads(line).get("custom_id") == "9"]


def test_a_line_of_nobody_stands_beside_the_others(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.UNKNOWN_ID, lines=(5,)))
    assert rehearsal.ids(batch.output_file_id) == [*_ALL, "nobody-sent-this-5"]
    assert rehearsal.ledger(batch) == dict.fromkeys(_ALL, 200)


@pytest.mark.parametrize(("status_code", "code"), [(429, "rate_limit_exceeded"), (500, None), (400, "content_filter")])
def test_a_request_can_fail_on_its_own(rehearsal: Rehearsal, status_code: int, code: str | None) -> None:
    batch = rehearsal.run(RowFault(kind=K.ERROR, lines=(2,), status_code=status_code, code=code))
    line = rehearsal.line(batch.error_file_id, "1")
    assert line["error"] is None
    assert line["response"]["status_code"] == status_code
    assert line["response"]["body"]["error"]["code"] == code
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (9, 1)
    assert rehearsal.ledger(batch)["1"] == status_code


def test_an_error_line_may_have_no_response_key(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.NO_RESPONSE_KEY, lines=(2,), status_code=503))
    line = rehearsal.line(batch.error_file_id, "1")
    assert line.keys() == {"id", "custom_id", "error"}
    assert line["error"]["code"] == "503"
    assert rehearsal.ledger(batch)["1"] == 503


def test_a_line_of_status_zero_counts_as_completed(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.ZERO_STATUS, lines=(2,)))
    response = rehearsal.line(batch.error_file_id, "1")["response"]
    assert (response["status_code"], response["body"]) == (0, "")
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (10, 0)
    assert rehearsal.ledger(batch)["1"] == 0


def test_a_body_may_be_a_string(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.STRING_BODY, lines=(2,)))
    body = rehearsal.line(batch.output_file_id, "1")["response"]["body"]
    assert json.loads(body)["output"][0]["content"][0]["text"].startswith("You wrote: question 1")


def _text(line: dict[str, Any]) -> str:
    body = line["response"]["body"]
    if "choices" in body:
        return str(body["choices"][0]["message"]["content"])
    return str(body["output"][0]["content"][0]["text"])


_BOTH = pytest.mark.parametrize("url", ["/v1/responses", "/v1/chat/completions"])


@_BOTH
def test_an_answer_may_be_a_refusal(rehearsal: Rehearsal, url: str) -> None:
    batch = rehearsal.run(RowFault(kind=K.REFUSAL, lines=(2,)), url=url)
    body = rehearsal.line(batch.output_file_id, "1")["response"]["body"]
    if "choices" in body:
        message = body["choices"][0]["message"]
        assert message["content"] is None
        assert "can't help" in message["refusal"]
    else:
        (part,) = body["output"][0]["content"]
        assert part["type"] == "refusal"
        assert "can't help" in part["refusal"]


@_BOTH
def test_an_answer_may_be_empty(rehearsal: Rehearsal, url: str) -> None:
    batch = rehearsal.run(RowFault(kind=K.EMPTY, lines=(2,)), url=url)
    assert not _text(rehearsal.line(batch.output_file_id, "1"))
    assert _text(rehearsal.line(batch.output_file_id, "2"))


@_BOTH
def test_an_answer_may_be_cut_and_says_so(rehearsal: Rehearsal, url: str) -> None:
    whole = _text(rehearsal.line(rehearsal.run(url=url).output_file_id, "1"))
    batch = rehearsal.run(RowFault(kind=K.TRUNCATED, lines=(2,)), url=url)
    line = rehearsal.line(batch.output_file_id, "1")
    assert _text(line) == whole[: len(whole) // 2]
    body = line["response"]["body"]
    if "choices" in body:
        assert body["choices"][0]["finish_reason"] == "length"
    else:
        assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


@_BOTH
def test_a_structured_answer_may_have_prose_before_it(rehearsal: Rehearsal, url: str) -> None:
    wanted: dict[str, Any] = (
        {"response_format": {"type": "json_object"}} if "chat" in url else {"text": {"format": {"type": "json_object"}}}
    )
    batch = rehearsal.run(RowFault(kind=K.PROSE, lines=(2,)), url=url, **wanted)
    assert json.loads(_text(rehearsal.line(batch.output_file_id, "2")))
    text = _text(rehearsal.line(batch.output_file_id, "1"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert json.loads(text.partition("\n")[2])


@_BOTH
def test_an_answer_may_hold_characters_that_databases_refuse(rehearsal: Rehearsal, url: str) -> None:
    batch = rehearsal.run(RowFault(kind=K.BAD_TEXT, lines=(2,)), url=url)
    assert _text(rehearsal.line(batch.output_file_id, "1")).startswith("\x00 \ud800")


def test_a_line_may_be_huge(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.HUGE, lines=(2,), bytes=20_000_000))
    assert max(len(line) for line in rehearsal.raw_lines(batch.output_file_id)) >= 20_000_000
    assert rehearsal.ids(batch.output_file_id) == _ALL


def test_embeddings_have_no_text_that_a_fault_could_spoil(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.REFUSAL, share=0.5), RowFault(kind=K.HUGE), url="/v1/embeddings")
    assert rehearsal.ids(batch.output_file_id) == _ALL


def test_a_request_that_fails_anyway_keeps_its_own_error(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.ERROR, status_code=503), input="")
    assert {json.loads(line)["response"]["status_code"] for line in rehearsal.raw_lines(batch.error_file_id)} == {400}


def test_a_fault_strikes_rows_that_contain_a_text(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.ERROR, containing="question 7"))
    assert rehearsal.ids(batch.error_file_id) == ["7"]


def test_a_row_has_the_first_of_the_faults_that_strike_it(rehearsal: Rehearsal) -> None:
    batch = rehearsal.run(RowFault(kind=K.LOST, lines=(1,)), RowFault(kind=K.ERROR, lines=(1, 2)))
    assert rehearsal.ids(batch.error_file_id) == ["1"]
    assert rehearsal.ledger(batch)["0"] == 200


def test_the_same_rows_are_struck_in_each_rehearsal(rehearsal: Rehearsal) -> None:
    faults = (RowFault(kind=K.LOST, share=0.3), RowFault(kind=K.ERROR, share=0.3))

    def outcome(seed: int) -> tuple[list[str], list[str]]:
        batch = rehearsal.run(*faults, seed=seed)
        assert rehearsal.ledger(batch).keys() == set(_ALL)
        return rehearsal.ids(batch.output_file_id), rehearsal.ids(batch.error_file_id)

    first = outcome(1)
    assert outcome(1) == first
    assert outcome(2) != first
    assert first[1]
    assert len(first[0]) + len(first[1]) < 10


def test_a_second_batch_of_the_same_rows_has_other_luck(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Callable[..., Batch]
) -> None:
    faulty.set_faults(FaultProfile(rows=(RowFault(kind=K.ERROR, share=0.3),)))
    rows = [row(number) for number in range(40)]
    failed = [
        {json.loads(line)["custom_id"] for line in faulty_client.files.content(batch.error_file_id or "").iter_lines()}
        for batch in (run(faulty_client, rows) for _ in range(2))
    ]
    assert failed[0] != failed[1]


def test_about_a_share_of_many_rows_is_struck(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Callable[..., Batch]
) -> None:
    faulty.set_faults(FaultProfile(rows=(RowFault(kind=K.ERROR, share=0.1),)))
    counts = run(faulty_client, [row(number) for number in range(2_000)]).request_counts
    assert counts is not None
    assert 150 <= counts.failed <= 250


def test_faults_of_a_batch_can_have_faults_of_rows(
    faulty: EmulatorProcess, faulty_client: OpenAI, row: Row, run: Callable[..., Batch]
) -> None:
    faulty.set_faults({"batches": [{"ordinals": [2], "rows": [{"kind": "error"}]}]})
    counts = [run(faulty_client, [row(1)]).request_counts for _ in range(3)]
    assert [count and count.failed for count in counts] == [0, 1, 0]


def test_a_batch_under_faults_that_is_killed_again_and_again_runs_each_request_once(
    private_dir: Path, row: Row, start: Start, wait: Wait
) -> None:
    timing = ["--validation-s=0", "--run-s=0", "--row-s=0.001", "--finalizing-s=0.05"]
    faults = {"rows": [{"kind": kind, "share": 0.1} for kind in ("lost", "error", "zero-status", "duplicate")]}
    with (
        EmulatorProcess(state_dir=private_dir, arguments=timing, faults=faults) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        batch = start(openai, [row(number) for number in range(400)])
        for _ in range(3):
            while not any(True for _ in process.ledger()):
                pass
            process.kill()
            process.start()
        done = wait(openai, batch)
        ledger = Counter(entry.custom_id for entry in process.ledger())
        assert ledger == {str(number): 1 for number in range(400)}
        content = openai.files.content(done.output_file_id or "").content
        written = Counter(json.loads(line)["custom_id"] for line in content.splitlines())
        assert 2 in written.values()
        assert len(written) < 370
