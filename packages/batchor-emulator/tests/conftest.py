from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import EmulatorProcess

ENDED = ("completed", "failed", "expired", "cancelled")


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(arguments=["--validation-s=0.01", "--run-s=0.02", "--finalizing-s=0.01"]) as process:
        yield process
        assert not process.log_text()


@pytest.fixture(scope="session")
def client(emulator: EmulatorProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=emulator.base_url, api_key="test", max_retries=0) as openai:
        yield openai


@pytest.fixture(scope="session")
def shared_faulty() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(arguments=["--validation-s=0.01", "--run-s=0.02", "--finalizing-s=0.01"]) as process:
        yield process
        assert not process.log_text()


@pytest.fixture
def faulty(shared_faulty: EmulatorProcess) -> Iterator[EmulatorProcess]:
    """An emulator whose faults a test may set; the next test finds none."""
    yield shared_faulty
    shared_faulty.clear_faults()


@pytest.fixture
def faulty_client(faulty: EmulatorProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=faulty.base_url, api_key="test", max_retries=0) as openai:
        yield openai


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """A request line: row(custom_id, url, **body)."""

    def make(custom_id: object, url: str = "/v1/responses", **body: Any) -> dict[str, Any]:
        if url == "/v1/chat/completions":
            body.setdefault("messages", [{"role": "user", "content": f"question {custom_id}"}])
        else:
            body.setdefault("input", f"question {custom_id}")
        return {"custom_id": str(custom_id), "method": "POST", "url": url, "body": {"model": "gpt-test", **body}}

    return make


@pytest.fixture(scope="session")
def start() -> Callable[..., Batch]:
    """Uploads rows (or raw bytes) and creates their batch: start(client, rows, endpoint=…, **create)."""

    def begin(
        openai: OpenAI, rows: Iterable[dict[str, Any]] | bytes, *, endpoint: str = "/v1/responses", **create: Any
    ) -> Batch:
        content = rows if isinstance(rows, bytes) else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        file = openai.files.create(file=("input.jsonl", content), purpose="batch")
        return openai.batches.create(
            input_file_id=file.id,
            endpoint=endpoint,  # ty: ignore[invalid-argument-type]
            completion_window="24h",
            **create,
        )

    return begin


@pytest.fixture(scope="session")
def wait() -> Callable[..., Batch]:
    """Polls until the batch has one of the statuses, by default until it has ended."""

    def poll(openai: OpenAI, batch: Batch, *statuses: str, timeout_s: float = 20) -> Batch:
        deadline = time.monotonic() + timeout_s
        while batch.status not in (statuses or ENDED):
            assert time.monotonic() < deadline, f"the batch is still {batch.status}"
            time.sleep(0.01)
            batch = openai.batches.retrieve(batch.id)
        return batch

    return poll


@pytest.fixture(scope="session")
def run(start: Callable[..., Batch], wait: Callable[..., Batch]) -> Callable[..., Batch]:
    """Starts a batch and waits for its end: run(client, rows, endpoint=…, **create)."""

    def finish(openai: OpenAI, rows: Iterable[dict[str, Any]] | bytes, **create: Any) -> Batch:
        return wait(openai, start(openai, rows, **create))

    return finish


@pytest.fixture(scope="session")
def lines() -> Callable[..., list[dict[str, Any]]]:
    """The lines of a result file; none when there is no file."""

    def read(openai: OpenAI, file_id: str | None) -> list[dict[str, Any]]:
        if file_id is None:
            return []
        return [json.loads(line) for line in openai.files.content(file_id).content.splitlines()]

    return read


@pytest.fixture
def private_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder
