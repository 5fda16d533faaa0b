"""Batches as the API, and servers that speak it, show them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from batchor_core.domain.batch import LineFault, RemoteBatch
from batchor_openai.remote_batch import read_batch, read_file_id, read_page


def shown(**fields: Any) -> RemoteBatch:
    return read_batch(json.dumps({"id": "batch_1", "object": "batch", "status": "in_progress", **fields}).encode())


def test_a_batch_is_read() -> None:
    batch = shown(
        created_at=1_700_000_000,
        input_file_id="file-1",
        output_file_id="file-2",
        error_file_id="file-3",
        metadata={"key": "value"},
        request_counts={"total": 3},
        usage={"input_tokens": 1},
    )
    assert batch == RemoteBatch(
        provider_batch_id="batch_1",
        provider_status="in_progress",
        ended=False,
        input_file_id="file-1",
        output_file_id="file-2",
        error_file_id="file-3",
        created_at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        metadata={"key": "value"},
    )


@pytest.mark.parametrize("nothing", [None, "", 7, [], {}], ids=repr)
def test_a_field_that_says_nothing_is_nothing(nothing: object) -> None:
    names = ("input_file_id", "output_file_id", "error_file_id", "metadata", "errors", "request_counts")
    batch = shown(**dict.fromkeys(names, nothing))
    assert (batch.input_file_id, batch.output_file_id, batch.error_file_id) == (None, None, None)
    assert (batch.metadata, batch.faults) == ({}, ())


@pytest.mark.parametrize("time", [None, "yesterday", True, [], 10**30], ids=repr)
def test_a_time_that_is_none_is_unknown(time: object) -> None:
    assert shown(created_at=time).created_at is None


@pytest.mark.parametrize("status", ["completed", "failed", "expired", "cancelled"])
def test_a_terminal_status_ends_a_batch(status: str) -> None:
    assert shown(status=status).ended


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling", "scheduling", None, [], 7])
def test_every_other_status_is_looked_at_again(status: object) -> None:
    assert not shown(status=status).ended


def test_faults_of_the_input_file_are_read_with_their_lines() -> None:
    data = [
        {"code": "invalid_json_line", "message": "Line 2 is no JSON.", "line": 2, "param": "body"},
        {"code": "token_limit_exceeded", "message": "Too many.", "line": None},
        "odd",
        {"line": "2"},
    ]
    assert shown(status="failed", errors={"object": "list", "data": data}).faults == (
        LineFault("invalid_json_line", "Line 2 is no JSON.", 2, "body"),
        LineFault("token_limit_exceeded", "Too many.", transient=True),
        LineFault(None, "the provider gave no reason"),
    )


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"id": ""}', b'{"id": 7}', b"<html>", b"\xff"])
def test_what_shows_no_batch_and_no_file_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the caller tells which call it was
        read_batch(content)
    with pytest.raises(ValueError):  # noqa: PT011
        read_file_id(content)


def test_a_page_leads_on_from_its_last_batch() -> None:
    page = read_page(b'{"data": [{"id": "b2"}, {"id": "b1"}], "has_more": true}')
    assert [batch.provider_batch_id for batch in page.batches] == ["b2", "b1"]
    assert page.next_after == "b1"


@pytest.mark.parametrize(
    "content",
    [b'{"data": [{"id": "b1"}], "has_more": false}', b'{"data": [], "has_more": true}', b'{"data": null}', b"{}"],
)
def test_a_last_page_leads_nowhere(content: bytes) -> None:
    assert read_page(content).next_after is None
