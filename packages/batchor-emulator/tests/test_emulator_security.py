from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from openai.types import Batch

from batchor_emulator import EmulatorProcess, EmulatorStartError

type Row = Callable[..., dict[str, Any]]
type Start = Callable[..., Batch]

_CANARY = "sk-canary-7f3a"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic abc"])
@pytest.mark.parametrize("path", ["/files", "/batches", "/batches/batch_x"])
def test_a_call_without_a_key_is_refused(emulator: EmulatorProcess, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = httpx2.get(f"{emulator.base_url}{path}", headers=headers)
    assert response.status_code == 401
    assert response.json()["error"].keys() == {"message", "type", "param", "code"}
    assert response.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nowhere", 404), ("PUT", "/v1/files", 405)])
def test_a_call_to_nowhere_is_refused_in_the_same_shape(
    emulator: EmulatorProcess, method: str, path: str, status: int
) -> None:
    response = httpx2.request(method, f"{emulator.url}{path}", headers={"Authorization": "Bearer x"})
    assert response.status_code == status
    assert response.json()["error"].keys() == {"message", "type", "param", "code"}


def test_the_key_is_neither_stored_nor_logged(private_dir: Path, row: Row, start: Start, wait: Start) -> None:
    with (
        EmulatorProcess(state_dir=private_dir) as process,
        OpenAI(base_url=process.base_url, api_key=_CANARY) as openai,
    ):
        wait(openai, start(openai, [row(1)]))
        wait(openai, start(openai, b"x"))
        assert _CANARY not in process.log_text()
    for path in private_dir.rglob("*"):
        assert path.is_dir() or _CANARY.encode() not in path.read_bytes()


def test_folders_and_files_are_for_the_owner_only(tmp_path: Path, row: Row, start: Start, wait: Start) -> None:
    root = tmp_path / "made by the emulator"
    with (
        EmulatorProcess(state_dir=root, arguments=["--run-s=1"]) as process,
        OpenAI(base_url=process.base_url, api_key="test") as openai,
    ):
        batch = start(openai, [row(1), row(2, input=""), row(3)])
        wait(openai, batch, "in_progress")
        while not any(process.ledger()):
            pass
        _assert_private(root)
        wait(openai, batch)
        _assert_private(root)


def _assert_private(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_state_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(EmulatorStartError, match="chmod 700"):
        EmulatorProcess(state_dir=folder).start()


def test_a_link_is_no_state_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(EmulatorStartError, match="not a folder"):
        EmulatorProcess(state_dir=tmp_path / "link").start()


def test_a_path_in_an_id_leads_nowhere(emulator: EmulatorProcess) -> None:
    for file_id in ("..%2F..%2Flock", "file-%00", "../lock"):
        response = httpx2.get(f"{emulator.base_url}/files/{file_id}/content", headers={"Authorization": "Bearer x"})
        assert response.status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])  # noqa: S104 (that it is refused)
def test_a_host_that_is_not_loopback_is_refused(tmp_path: Path, host: str) -> None:
    command = [sys.executable, "-m", "batchor_emulator", "--host", host, "--state-dir", str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "--allow-remote" in done.stderr
