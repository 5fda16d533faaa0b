"""start, status, wait and results, over 2,000 rows with a structured answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batchor_emulator import EmulatorProcess

CANARY = "sk-canary-6f1d0c7be2"
TEMPLATE = "A {aircraft} met {species} ({size}) on {date}; the damage was {damage}, {cost_usd} dollars. {{Judge}} it."
MODEL = """
from pydantic import BaseModel


class Report(BaseModel):
    cause: str
    severe: bool
"""


@dataclass(frozen=True)
class Flow:
    """What the commands said."""

    batchor: Callable[..., Any]
    begin: Callable[..., Any]
    folder: Path
    started: Any
    waited: Any
    printed: Any
    written: Any
    status: Any


@pytest.fixture(scope="module")
def flow(
    tmp_path_factory: pytest.TempPathFactory, emulator: EmulatorProcess, two_thousand: Path, command_line: Any
) -> Flow:
    folder = tmp_path_factory.mktemp("flow")
    (folder / "aviation.py").write_text(MODEL)
    batchor = command_line(folder)
    target = (
        "--base-url",
        emulator.base_url,
        "--api-key-env",
        "MY_KEY",
        "--structured-output-class",
        "aviation:Report",
    )
    key = {"MY_KEY": CANARY}
    job = ("--input", str(two_thousand), "--id-field", "id", "--prompt-template", TEMPLATE, "--model", "gpt-4.1")
    limits = ("--max-requests", "600", "--poll-interval-s", "0.1", "--run-id", "strikes")
    database = ("--db-path", "strikes.sqlite3")
    return Flow(
        batchor,
        batchor.begin,
        folder,
        started=batchor("start", *job, *limits, *target, *database, env=key),
        waited=batchor("wait", "strikes", *target, *database, env=key),
        printed=batchor("results", "strikes", *database),
        written=batchor("results", "--run-id", "strikes", "--output", "out.jsonl", *database),
        status=batchor("status", "strikes", *database),
    )


def test_start_ingests_and_sends_every_row(flow: Flow) -> None:
    assert flow.started.code == 0, flow.started.stderr
    document = flow.started.document
    assert document["run_id"] == "strikes"
    assert document["total_items"] == 2_000
    assert document["ingestion_complete"]
    assert document["batches"] == 4


def test_wait_ends_with_the_run(flow: Flow) -> None:
    assert flow.waited.code == 0, flow.waited.stderr
    assert flow.waited.document["status"] == "completed"
    assert flow.waited.document["counts"]["completed"] == 2_000


def test_results_come_in_input_order_with_the_answers_json(flow: Flow, two_thousand: Path) -> None:
    lines = flow.printed.lines
    assert [line["item_id"] for line in lines] == [
        json.loads(row)["id"] for row in two_thousand.read_bytes().splitlines()
    ]
    assert all(set(line["output"]) == {"cause", "severe"} for line in lines)


def test_a_file_of_results_holds_what_stdout_shows(flow: Flow) -> None:
    assert (flow.folder / "out.jsonl").read_text() == flow.printed.stdout
    assert flow.written.document == {"run_id": "strikes", "output": "out.jsonl", "results": 2_000}


def test_a_file_of_results_is_for_its_owner_alone(flow: Flow) -> None:
    assert (flow.folder / "out.jsonl").stat().st_mode & 0o777 == 0o600
    assert not list(flow.folder.glob(".*.tmp"))


def test_status_needs_no_key_and_no_server(flow: Flow) -> None:
    assert flow.status.code == 0
    document = flow.status.document
    assert (document["status"], document["open_batches"], document["failures"]) == ("completed", [], {})


def test_the_run_id_may_be_an_option(flow: Flow) -> None:
    as_option = flow.batchor("status", "--run-id", "strikes", "--db-path", "strikes.sqlite3")
    assert as_option.document == flow.status.document


def test_runs_lists_the_run(flow: Flow) -> None:
    listed = flow.batchor("runs", "--db-path", "strikes.sqlite3").document["runs"]
    assert [run["run_id"] for run in listed] == ["strikes"]


def test_a_reader_that_goes_away_ends_results_quietly(flow: Flow) -> None:
    process = flow.begin("results", "strikes", "--db-path", "strikes.sqlite3")
    process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 141
    assert stderr == b""


def test_no_key_is_in_any_file_or_output(flow: Flow) -> None:
    files = [path for path in flow.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite3" for path in files)
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    for said in (flow.started, flow.waited, flow.printed, flow.written, flow.status):
        assert CANARY not in said.stdout + said.stderr


def test_a_stored_model_is_not_looked_for_in_the_current_folder(flow: Flow, emulator: EmulatorProcess) -> None:
    job = ("--input", "one.jsonl", "--id-field", "id", "--prompt-field", "text", "--model", "m")
    (flow.folder / "one.jsonl").write_text('{"id": 1, "text": "one"}\n')
    database = ("--db-path", "other.sqlite3")
    flow.batchor(
        "start", *job, "--run-id", "other", *database, "--structured-output-class", "aviation:Report",
        env={"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any"},
    )  # fmt: skip
    waited = flow.batchor(
        "wait", "other", *database, env={"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any"}
    )
    assert waited.code == 2
    assert "aviation:Report cannot be imported" in waited.stderr
