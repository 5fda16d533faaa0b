"""Exporting, checking and pruning a finished run; its audit and its events."""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batchor_emulator import EmulatorProcess


@dataclass(frozen=True)
class Kept:
    """The command in a folder with the finished run "kept", in `x.sqlite3`, and what it said of its files."""

    batchor: Any
    pruned_too_early: Any
    exported: Any
    verified: Any
    pruned: Any

    def __call__(self, *arguments: str, **options: Any) -> Any:
        return self.batchor(*arguments, **options)

    @property
    def folder(self) -> Path:
        folder: Path = self.batchor.folder
        return folder


@pytest.fixture(scope="module")
def finished(emulator: EmulatorProcess, twenty: Path, options: Any, command_line: Any, tmp_path_factory: Any) -> Kept:
    batchor = command_line(tmp_path_factory.mktemp("keep"))
    batchor.env = {
        "OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": "any", "BATCHOR_DB_PATH": "x.sqlite3"
    }  # fmt: skip
    assert batchor("run", *options(twenty, "--run-id", "kept")).code == 0
    prune = ("prune-artifacts", "kept", "--include-raw-output-artifacts")
    return Kept(
        batchor,
        pruned_too_early=batchor(*prune),
        exported=batchor("export-artifacts", "--run-id", "kept", "--destination-dir", "exports"),
        verified=batchor("verify", "exports/kept"),
        pruned=batchor(*prune),
    )


def test_raw_answers_are_not_pruned_before_an_export(finished: Kept) -> None:
    refused = finished.pruned_too_early
    assert (refused.code, refused.stdout) == (4, "")
    assert "were not exported" in refused.stderr


def test_an_export_lists_its_files(finished: Kept) -> None:
    document = finished.exported.document
    assert document["path"] == "exports/kept"
    folders = [file["path"].partition("/")[0] for file in document["files"]]
    assert folders == ["results.jsonl", "requests", "outputs"]


def test_an_export_can_be_verified(finished: Kept) -> None:
    assert finished.verified.code == 0
    assert finished.verified.document == {"bundle": "exports/kept", "is_whole": True, "faults": []}


def test_each_fault_of_an_export_is_listed(finished: Kept) -> None:
    damaged = shutil.copytree(finished.folder / "exports" / "kept", finished.folder / "damaged")
    with (damaged / "results.jsonl").open("ab") as file:
        file.write(b"{}\n")
    (damaged / "more").touch()
    verified = finished("verify", "damaged")
    assert verified.code == 9
    assert [fault.partition(":")[0] for fault in verified.document["faults"]] == ["results.jsonl", "more"]


def test_a_folder_that_is_no_export_is_a_fault_of_files(finished: Kept) -> None:
    assert finished("verify", ".").code == 7


def test_results_outlive_their_files(finished: Kept) -> None:
    assert len(finished.pruned.document["deleted"]) == 2
    assert finished("results", "kept").stdout == (finished.folder / "results.jsonl").read_text()


def test_events_are_read_page_by_page(finished: Kept) -> None:
    first = finished("events", "kept", "--limit", "1").document
    assert [event["type"] for event in first["events"]] == ["run_created"]
    rest = finished("events", "kept", "--after", str(first["next_after"])).document["events"]
    assert {"batch_submitted", "run_finished"} <= {event["type"] for event in rest}


def test_an_audit_compares_with_the_provider_too(finished: Kept) -> None:
    report = finished("audit", "kept")
    assert report.code == 0, report.stderr
    assert (report.document["is_clean"], report.document["provider_was_asked"]) == (True, True)


def test_counters_that_are_not_what_the_facts_give_are_found(finished: Kept) -> None:
    (finished.folder / "copy.sqlite3").write_bytes((finished.folder / "x.sqlite3").read_bytes())
    with sqlite3.connect(finished.folder / "copy.sqlite3") as database:
        database.execute("UPDATE run SET completed = completed + 1")
    database.close()
    report = finished("audit", "kept", "--offline", "--db-path", "copy.sqlite3", env={"OPENAI_API_KEY": ""})
    assert report.code == 9
    assert report.document["counted"]["completed"] == report.document["recounted"]["completed"] + 1
    assert "fault of batchor" in report.stderr
