from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from batchor_emulator import EmulatorProcess

_BIG_BYTES = 200_000_000


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """200 MB of incompressible bytes."""
    path = tmp_path_factory.mktemp("big") / "big.jsonl"
    block = os.urandom(1_000_000)
    with path.open("wb") as file:
        for _ in range(_BIG_BYTES // len(block)):
            file.write(block)
    yield path
    path.unlink()


def _memory_mb(process: EmulatorProcess, name: str) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1_024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_200_mb_go_up_and_down_in_little_memory(big_file: Path, tmp_path: Path) -> None:
    with (
        EmulatorProcess() as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        openai.files.list()
        before_mb = _memory_mb(process, "VmRSS")
        started_at = time.monotonic()
        with big_file.open("rb") as file:
            uploaded = openai.files.create(file=file, purpose="batch")
        assert uploaded.bytes == _BIG_BYTES
        with openai.files.with_streaming_response.content(uploaded.id) as response:
            response.stream_to_file(tmp_path / "copy")
        assert time.monotonic() - started_at < 10
        assert _memory_mb(process, "VmHWM") - before_mb < 50
        assert (tmp_path / "copy").read_bytes() == big_file.read_bytes()
        (tmp_path / "copy").unlink()


def test_an_uploaded_file_comes_back_byte_for_byte(client: OpenAI) -> None:
    content = bytes(range(256)) * 5_000 + b"\r\n--boundary--\r\n"
    file = client.files.create(file=("odd name ü.jsonl", content), purpose="batch")
    assert (file.bytes, file.purpose, file.object) == (len(content), "batch", "file")
    assert client.files.content(file.id).content == content
    assert client.files.retrieve(file.id) == file


def test_a_range_of_a_file_can_be_read(client: OpenAI) -> None:
    file = client.files.create(file=("a.jsonl", b"0123456789"), purpose="batch")
    part = client.files.content(file.id, extra_headers={"Range": "bytes=2-4"})
    assert (part.response.status_code, part.content) == (206, b"234")


def test_files_are_listed_newest_first_and_by_purpose(client: OpenAI) -> None:
    batch = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    other = client.files.create(file=("a.txt", b"{}"), purpose="user_data")
    assert [file.id for file in client.files.list(limit=2).data] == [other.id, batch.id]
    assert client.files.list(purpose="user_data").data[0].id == other.id
    assert next(iter(client.files.list(after=other.id))).id == batch.id
    assert [file.id for file in client.files.list(order="asc")][-1] == other.id


def test_a_deleted_file_is_gone(client: OpenAI) -> None:
    file = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert client.files.delete(file.id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError, match=f"No such File object: {file.id}"):
            call(file.id)


def test_an_expiry_date_is_kept(client: OpenAI) -> None:
    file = client.files.create(
        file=("a.jsonl", b"{}"), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3_600}
    )
    assert file.expires_at == file.created_at + 3_600


@pytest.mark.parametrize("seconds", [3_599, 2_592_001])
def test_an_expiry_date_out_of_bounds_is_refused(client: OpenAI, seconds: int) -> None:
    with pytest.raises(BadRequestError, match="3600"):
        client.files.create(
            file=("a.jsonl", b"{}"), purpose="batch", expires_after={"anchor": "created_at", "seconds": seconds}
        )


def test_a_batch_file_must_be_named_jsonl(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="jsonl"):
        client.files.create(file=("a.csv", b"{}"), purpose="batch")


def test_a_file_over_the_limit_is_refused_and_leaves_nothing(private_dir: Path) -> None:
    with (
        EmulatorProcess(state_dir=private_dir, arguments=["--max-file-bytes=2000000"]) as process,
        OpenAI(base_url=process.base_url, api_key="test", max_retries=0) as openai,
    ):
        with pytest.raises(APIStatusError) as caught:
            openai.files.create(file=("a.jsonl", bytes(5_000_000)), purpose="batch")
        assert caught.value.status_code == 413
        assert caught.value.code == "file_too_large"
        assert list((private_dir / "files").iterdir()) == []
        assert openai.files.create(file=("a.jsonl", bytes(2_000_000)), purpose="batch").bytes == 2_000_000


def test_an_upload_that_breaks_off_leaves_nothing(private_dir: Path) -> None:
    def half() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n' + bytes(3_000_000)
        raise ConnectionAbortedError

    headers = {"Authorization": "Bearer x", "Content-Type": "multipart/form-data; boundary=b"}
    with EmulatorProcess(state_dir=private_dir) as process:
        with pytest.raises(ConnectionAbortedError):
            httpx2.post(f"{process.base_url}/files", content=half(), headers=headers)
        deadline = time.monotonic() + 5
        while list((private_dir / "files").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=b", b"no boundary at all"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--',
        ),
    ],
)
def test_a_form_that_can_not_be_read_is_refused(emulator: EmulatorProcess, content_type: str, body: bytes) -> None:
    headers = {"Authorization": "Bearer x", "Content-Type": content_type}
    response = httpx2.post(f"{emulator.base_url}/files", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
