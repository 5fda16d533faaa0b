"""`cancel` and `retry`."""

from pathlib import Path
from typing import Any

import pytest

from batchor_emulator import EmulatorProcess


@pytest.fixture(scope="module")
def cancelled(
    slow_emulator: EmulatorProcess, twenty: Path, options: Any, command_line: Any, tmp_path_factory: Any
) -> Any:
    """The command in a folder with the run "r": 20 items at the provider, and its end asked for."""
    batchor = command_line(tmp_path_factory.mktemp("cancelled"))
    batchor.env = {"OPENAI_BASE_URL": slow_emulator.base_url, "OPENAI_API_KEY": "any"}
    assert batchor("start", *options(twenty, "--run-id", "r")).code == 0
    asked = batchor("cancel", "r", env={"OPENAI_API_KEY": ""})
    assert asked.document["control_state"] == "cancel_requested"
    assert "batchor wait r" in asked.stderr
    return batchor


def test_cancelling_can_be_waited_for(cancelled: Any) -> None:
    ended = cancelled("cancel", "r", "--wait")
    assert ended.code == 0, ended.stderr
    assert ended.document["counts"]["failed_permanent"] == 20
    assert {line["error"]["error_class"] for line in cancelled("results", "r").lines} == {"run_cancelled"}


def test_a_cancelled_run_cannot_be_retried(cancelled: Any) -> None:
    refused = cancelled("retry", "r")
    assert (refused.code, refused.stdout) == (4, "")
    assert "was cancelled" in refused.stderr


@pytest.fixture(scope="module")
def failed(emulator: EmulatorProcess, options: Any, command_line: Any, tmp_path_factory: Any) -> Any:
    """The command in a folder with the finished run "r": one answer, one that was refused, one that was never sent."""
    batchor = command_line(tmp_path_factory.mktemp("failed"))
    batchor.env = {"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any"}
    (batchor.folder / "rows.jsonl").write_text('{"id": 1, "species": "gull"}\n{"id": 2, "species": ""}\n{"id": 3}\n')
    arguments = options(Path("rows.jsonl"), "--run-id", "r", "--on-prompt-error", "fail_item")
    assert batchor("run", *arguments).code == 1
    return batchor


def test_status_says_how_failed_items_can_begin_again(failed: Any) -> None:
    document = failed("status", "r").document
    assert document["failures"] == {"prompt_failed": 1, "request_failed": 1}
    commands = {need["command"] for need in document["needs"]}
    assert commands == {None, "batchor retry r --error-class request_failed"}


def test_a_class_in_which_nothing_failed_retries_nothing(failed: Any) -> None:
    again = failed("retry", "r", "--error-class", "refused")
    assert (again.code, again.document["retried"], again.document["status"]) == (0, 0, "completed_with_failures")


def test_failed_items_begin_again(failed: Any) -> None:
    again = failed("retry", "r", "--wait")
    assert again.code == 1, again.stderr
    assert again.document["retried"] == 1
    assert again.document["batches"] == 2
    assert again.document["counts"]["failed_permanent"] == 2
