"""What goes wrong becomes a message on stderr and an exit code; stdout stays empty."""

from pathlib import Path
from typing import Any

import pytest


def assert_failed(finished: Any, *, code: int, says: str) -> None:
    assert finished.code == code, finished.stderr
    assert finished.stdout == ""
    assert says in finished.stderr
    assert "Traceback" not in finished.stderr


def test_no_run_id_is_a_fault_of_usage(batchor: Any) -> None:
    assert_failed(batchor("status"), code=2, says="error: give one run id")


def test_an_unknown_option_is_a_fault_of_usage(batchor: Any) -> None:
    assert_failed(batchor("status", "--nonsense"), code=2, says="No such option")


def test_a_database_that_is_not_there_is_not_created(batchor: Any) -> None:
    assert_failed(batchor("status", "r", "--db-path", "typo.sqlite3"), code=7, says="there is no database")
    assert not list(batchor.folder.glob("typo*"))


def test_a_setting_that_cannot_be_used_is_named(batchor: Any) -> None:
    failed = batchor("runs", env={"BATCHOR_CONCURRENCY": "many"})
    assert_failed(failed, code=2, says="BATCHOR_CONCURRENCY='many'")


def test_a_missing_key_is_refused_before_anything_is_stored(batchor: Any, twenty: Path, options: Any) -> None:
    assert_failed(batchor("start", *options(twenty)), code=2, says="OPENAI_API_KEY")
    assert not (batchor.folder / "data").exists()


def test_a_missing_variable_for_the_key_is_named(batchor: Any, twenty: Path, options: Any) -> None:
    failed = batchor("start", *options(twenty, "--api-key-env", "NOT_SET"))
    assert_failed(failed, code=2, says="NOT_SET is not set")


def test_a_missing_input_is_a_fault_of_the_source(at_emulator: Any, options: Any) -> None:
    failed = at_emulator("start", *options(Path("nowhere.jsonl")))
    assert_failed(failed, code=3, says="nowhere.jsonl")


def test_a_bad_row_is_named_by_its_line(at_emulator: Any, options: Any) -> None:
    rows = at_emulator.folder / "rows.jsonl"
    rows.write_text('{"id": 1, "species": "gull"}\n{"id": 2, \n')
    assert_failed(at_emulator("start", *options(rows)), code=3, says="rows.jsonl, line 2")


def test_an_unknown_field_is_named_with_its_item(at_emulator: Any, twenty: Path, options: Any) -> None:
    failed = at_emulator("start", *options(twenty, "--prompt-template", "{wingspan}"))
    assert_failed(failed, code=3, says="the row has no field 'wingspan'")
    assert "'strike-00001'" in failed.stderr


def test_a_missing_id_field_is_named_with_its_line(at_emulator: Any, twenty: Path, options: Any) -> None:
    failed = at_emulator("start", *options(twenty, "--id-field", "number"))
    assert_failed(failed, code=3, says="line 1")
    assert "'number'" in failed.stderr


def test_a_prompt_is_a_field_or_a_template(at_emulator: Any, twenty: Path, options: Any) -> None:
    failed = at_emulator("start", *options(twenty, "--prompt-template", "{species}", "--prompt-field", "species"))
    assert_failed(failed, code=2, says="either --prompt-field or --prompt-template")


def test_a_class_that_cannot_be_imported_is_a_fault_of_usage(at_emulator: Any, twenty: Path, options: Any) -> None:
    failed = at_emulator("start", *options(twenty, "--structured-output-class", "nowhere:Model"))
    assert_failed(failed, code=2, says="nowhere:Model cannot be imported")


def test_an_unknown_run_is_named_with_the_nearest(open_run: Any) -> None:
    assert_failed(open_run("status", "open-runs"), code=4, says="did you mean open-run?")


def test_another_configuration_for_a_stored_run_is_refused(open_run: Any, options: Any) -> None:
    failed = open_run("start", *options(Path("rows.jsonl"), "--run-id", "open-run", "--temperature", "1"))
    assert_failed(failed, code=4, says="another configuration")


def test_a_wait_that_times_out_says_so(open_run: Any) -> None:
    assert_failed(open_run("wait", "open-run", "--timeout", "0.2"), code=8, says="20 open items")


def test_a_sandbox_that_cannot_start_is_a_fault_of_the_provider(batchor: Any, twenty: Path, options: Any) -> None:
    (batchor.folder / "x_sandbox").write_text("no folder")
    failed = batchor("start", "--sandbox", "--db-path", "x.sqlite3", *options(twenty))
    assert_failed(failed, code=6, says="the sandbox did not start")


def test_failed_items_make_the_exit_code_1_and_results_all_the_same(at_emulator: Any, options: Any) -> None:
    rows = at_emulator.folder / "rows.jsonl"
    rows.write_text('{"id": 1, "species": "gull"}\n{"id": 2}\n')
    finished = at_emulator("run", *options(rows, "--on-prompt-error", "fail_item"))
    assert finished.code == 1
    assert finished.document["status"] == "completed_with_failures"
    assert "1 items failed" in finished.stderr
    assert len((at_emulator.folder / "results.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(("output", "says"), [("/dev/null", "no file that results can replace"), ("no/x", "no folder")])
def test_an_impossible_output_is_refused_before_the_run_starts(
    at_emulator: Any, twenty: Path, options: Any, output: str, says: str
) -> None:
    failed = at_emulator("run", *options(twenty, "--run-id", "r"), "--output", output)
    assert_failed(failed, code=2, says=says)
    assert not (at_emulator.folder / "data").exists()


def test_an_exception_shows_where_it_was_raised_on_demand(batchor: Any) -> None:
    assert "Traceback" in batchor("status", "r", env={"BATCHOR_DEBUG": "1"}).stderr
