"""Names that users and databases give never become paths: on a real disk, with a whole run."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batchor_core import BatchItem, BatchJob, BatchRunner
from batchor_core.errors import ArtifactError, BatchorError, InvalidRunIdError, UnknownAdapterError
from batchor_emulator import EmulatorProcess
from batchor_openai import OpenAIProviderConfig
from batchor_sqlite import SQLiteStorage

RUN_IDS = {
    "a way up": "../../x",
    "an absolute path": "/tmp/x",  # noqa: S108  it is not used as one
    "nothing": "",
    "300 characters": "a" * 300,
    "NUL": "a\0b",
    "a folder": "a/b",
    "a backslash": "a\\b",
    "two dots": "a..b",
    "a hidden file": ".x",
    "an option": "-x",
    "a line feed": "a\n",
    "no text": 7,
}
ITEM_IDS = (
    "../../x",
    "/etc/passwd",
    "C:\\x",
    "a" * 300,
    "-rf",
    ".",
    "..",
    "~",
    "$HOME",
    "%2e%2e%2f",
    "'; DROP TABLE run;--",
)

type Call = Callable[[BatchRunner, str, Path], object]

CALLS: dict[str, Call] = {
    "start": lambda runner, run_id, _: runner.start(job("https://example.org/v1"), run_id=run_id),
    "run_and_wait": lambda runner, run_id, _: runner.run_and_wait(job("https://example.org/v1"), run_id=run_id),
    "get_run": lambda runner, run_id, _: runner.get_run(run_id),
    "tick": lambda runner, run_id, _: runner.tick(run_id),
    "export": lambda runner, run_id, folder: runner.get_run(run_id).export_artifacts(folder),
    "prune": lambda runner, run_id, _: runner.get_run(run_id).prune_artifacts(),
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(arguments=("--validation-s=0.01", "--run-s=0.02", "--finalizing-s=0.01")) as process:
        yield process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Deep enough that a few steps up still end in the test's own folder."""
    return tmp_path / "a" / "b" / "c" / "data"


@pytest.fixture
def runner(folder: Path) -> Iterator[BatchRunner]:
    with BatchRunner(SQLiteStorage(path=folder / "state.sqlite3")) as runner:
        yield runner


def job(base_url: str, ids: tuple[str, ...] = ("a",)) -> BatchJob[str, None]:
    return BatchJob(
        items=[BatchItem(item_id, "prompt") for item_id in ids],
        build_prompt=lambda item: item.payload,
        provider_config=OpenAIProviderConfig(model="m", base_url=base_url, api_key="any", poll_interval_s=0.05),
    )


def finished_run(runner: BatchRunner, emulator: EmulatorProcess, ids: tuple[str, ...] = ("a",)) -> None:
    runner.run_and_wait(job(emulator.base_url, ids), run_id="good")


def tampered(folder: Path, statement: str, *values: object) -> None:
    """Change the database as somebody could who sends it to another."""
    with closing(sqlite3.connect(folder / "state.sqlite3", isolation_level=None)) as connection:
        assert connection.execute(statement, values).rowcount > 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("run_id", RUN_IDS.values(), ids=RUN_IDS)
def test_a_hostile_run_id_is_refused_and_no_file_is_touched(
    runner: BatchRunner, tmp_path: Path, run_id: str, call: Call
) -> None:
    with pytest.raises(InvalidRunIdError):
        call(runner, run_id, tmp_path / "exports")
    assert list(tmp_path.rglob("*")) == []


def test_item_ids_stand_in_no_path(
    runner: BatchRunner, emulator: EmulatorProcess, folder: Path, tmp_path: Path
) -> None:
    finished_run(runner, emulator, ITEM_IDS)
    run = runner.get_run("good")
    run.export_artifacts(folder / "exports")
    assert [result.item_id for result in run.results()] == list(ITEM_IDS)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(folder) for path in files)
    names = {part for path in files for part in path.relative_to(folder).parts}
    assert not names & set(ITEM_IDS)
    assert runner.runs() != []


@pytest.mark.parametrize("name", ["../../outside", "/outside", "x/../../../outside", "a b"])
def test_an_artifact_of_a_hostile_name_in_the_database_is_neither_read_nor_written_nor_deleted(
    runner: BatchRunner, emulator: EmulatorProcess, folder: Path, tmp_path: Path, name: str
) -> None:
    finished_run(runner, emulator)
    outside = folder.parent / "outside"
    outside.write_text("somebody's")
    tampered(folder, "UPDATE artifact SET name = ?, sha256 = NULL, size_bytes = 10", name)
    run = runner.get_run("good")
    with pytest.raises(ArtifactError, match="is not an artifact name"):
        run.export_artifacts(tmp_path / "exports")
    assert not [path for path in (tmp_path / "exports").rglob("*") if path.is_file()]
    run.prune_artifacts()
    assert outside.read_text() == "somebody's"


def test_pruning_deletes_what_is_the_runs_own_and_nothing_beside_it(
    runner: BatchRunner, emulator: EmulatorProcess, folder: Path, tmp_path: Path
) -> None:
    finished_run(runner, emulator)
    runner.run_and_wait(job(emulator.base_url), run_id="other")
    root = folder / "state_artifacts"
    (root / "notes.txt").write_text("somebody's")
    run = runner.get_run("good")
    run.export_artifacts(tmp_path / "exports")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    report = run.prune_artifacts(include_raw_output_artifacts=True)
    gone = before - {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.relative_to(root).as_posix() for path in gone} == set(report.deleted)
    assert report.swept == ()
    assert runner.get_run("other").results()[0].raw_response is not None


@pytest.mark.parametrize("provider", ["os:system", "builtins:eval", "../openai", ""])
def test_a_provider_that_nobody_registered_is_not_loaded_for_a_stored_run(
    runner: BatchRunner, emulator: EmulatorProcess, folder: Path, provider: str
) -> None:
    run = runner.start(job(emulator.base_url), run_id="good")
    del run
    tampered(folder, "UPDATE run SET config = json_set(config, '$.provider', ?)", provider)
    with pytest.raises(UnknownAdapterError):
        runner.get_run("good").refresh()


def test_the_host_of_a_tampered_database_gets_no_key_over_http(
    runner: BatchRunner, emulator: EmulatorProcess, folder: Path
) -> None:
    runner.start(job(emulator.base_url), run_id="good")
    path = "$.provider_config.base_url"
    tampered(folder, "UPDATE run SET config = json_set(config, ?, 'http://collector.example/v1')", path)
    with pytest.raises(BatchorError, match="not an https URL"):
        runner.get_run("good").refresh()
