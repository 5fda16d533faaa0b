"""`config show`, and what decides where a command's runs are."""

import os
import pty
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from batchor_artifacts import LocalArtifactStore


def shown(batchor: Any, *arguments: str, **options: Any) -> dict[str, dict[str, Any]]:
    done = batchor("config", "show", *arguments, **options)
    assert done.code == 0, done.stderr
    document: dict[str, dict[str, Any]] = done.document
    return document


def decided(batchor: Any, setting: str, *arguments: str, **options: Any) -> tuple[Any, ...]:
    return tuple(shown(batchor, *arguments, **options)["settings"][setting].values())


def test_a_flag_goes_before_a_variable_before_the_file_before_the_default(batchor: Any) -> None:
    assert decided(batchor, "artifacts") == (None, "default", None, None)
    file = batchor.folder / "batchor.toml"
    file.write_text('artifacts = "of-file"\n')
    assert decided(batchor, "artifacts") == (str(batchor.folder / "of-file"), "file", "artifacts", str(file))
    env = {"BATCHOR_ARTIFACTS": "of-variable"}
    assert decided(batchor, "artifacts", env=env) == ("of-variable", "environment", "BATCHOR_ARTIFACTS", None)
    of_flag = decided(batchor, "artifacts", "--artifacts", "of-flag", env=env)
    assert of_flag == ("of-flag", "flag", "--artifacts", None)


def test_a_variable_of_the_dotenv_file_is_told_with_that_file(batchor: Any) -> None:
    (batchor.folder / ".env").write_text("BATCHOR_CONCURRENCY=7\nBATCHOR_SLICE_ROWS=8\n")
    env = {"BATCHOR_SLICE_ROWS": "9"}
    of_file = (7, "environment", "BATCHOR_CONCURRENCY", str(batchor.folder / ".env"))
    assert decided(batchor, "concurrency", env=env) == of_file
    assert decided(batchor, "slice_rows", env=env) == (9, "environment", "BATCHOR_SLICE_ROWS", None)


def test_the_storage_follows_from_its_url(batchor: Any) -> None:
    url = "postgresql://me@host/db"
    settings = shown(batchor, "--storage-url", url)["settings"]
    assert settings["storage"] == {"value": "postgres", "origin": "flag", "name": "--storage-url", "path": None}
    assert settings["storage_url"]["value"] == url


def test_what_is_set_for_another_storage_is_told(batchor: Any) -> None:
    document = shown(batchor, "--db", "x.sqlite3", env={"BATCHOR_STORAGE_URL": "postgresql://host/db"})
    assert (document["settings"]["storage"]["value"], document["settings"]["db_path"]["value"]) == (
        "sqlite",
        "x.sqlite3",
    )
    unused = {"setting": "storage_url", "origin": "environment", "name": "BATCHOR_STORAGE_URL", "path": None}
    assert document["unused"] == [unused]


def test_no_secret_is_shown(batchor: Any) -> None:
    env = {
        "BATCHOR_STORAGE_URL": "postgresql://me:canary@host/db?sslpassword=canary",
        "OPENAI_API_KEY": "canary",
        "OPENAI_BASE_URL": "https://me:canary@proxy.example/v1",
    }
    done = batchor("config", "show", env=env)
    assert done.document["settings"]["storage_url"]["value"] == "postgresql://me:***@host/db?sslpassword=***"
    assert done.document["provider"]["OPENAI_API_KEY"] == "set"
    assert "canary" not in done.stdout + done.stderr
    assert shown(batchor)["provider"]["OPENAI_API_KEY"] == "not set"


def on_terminal(batchor: Any, *arguments: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = batchor.begin(*arguments, stdout=theirs)
    os.close(theirs)
    written = b""
    # The end of a terminal shows as an error, not as an empty read.
    with suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            written += piece
    os.close(ours)
    process.communicate(timeout=60)
    return written.decode()


def test_a_terminal_gets_a_table_whatever_the_values_are(batchor: Any) -> None:
    (batchor.folder / "batchor.toml").write_text('db_name = "a\\u001b[31m\\nb"\n')
    table = on_terminal(batchor, "config", "show")
    assert r"a\u001b[31m\nb" in table
    assert "\x1b" not in table
    (row,) = (line.split() for line in table.splitlines() if line.startswith("concurrency"))
    assert row == ["concurrency", "4", "default"]


def test_a_terminal_gets_json_when_it_asks_for_it(batchor: Any) -> None:
    assert on_terminal(batchor, "config", "show", "--json").startswith("{")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--storage-url", "postgresql://me:canary@host/db"], "--storage-url holds a password"),
        (["--artifacts", "s3://bucket?secret=canary"], "--artifacts holds a password"),
        (["--storage", "sqlite", "--storage-url", "postgresql://host/db"], "--storage-url is for postgres"),
        (["--storage-url", "sqlite:///a.db", "--db-path", "b.db"], "both say where the storage is"),
        (["--storage", "floppy"], "there is no storage 'floppy'"),
        (["--storage", "memory", "--storage-url", "memory://x"], "'memory' takes no URL"),
        (["--storage-url", "sqlite://a.db"], "three slashes"),
        (["--config", "nowhere.toml"], "nowhere.toml: the settings cannot be read"),
    ],
)
def test_an_impossible_place_is_a_fault_of_usage(batchor: Any, arguments: list[str], says: str) -> None:
    failed = batchor("runs", *arguments)
    assert (failed.code, failed.stdout) == (2, "")
    assert says in failed.stderr
    assert "canary" not in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_file_that_cannot_be_used_is_named_with_line_and_key(batchor: Any) -> None:
    (batchor.folder / "batchor.toml").write_text('\napi_key = "canary"\n')
    failed = batchor("runs")
    assert failed.code == 2
    assert f"{batchor.folder / 'batchor.toml'}, line 2: 'api_key': secrets do not belong" in failed.stderr
    assert "canary" not in failed.stderr


def test_a_run_is_kept_where_the_file_beside_the_project_says(at_emulator: Any, twenty: Path, options: Any) -> None:
    (at_emulator.folder / "batchor.toml").write_text('db_path = "runs/state.sqlite3"\nartifacts = "runs/files"\n')
    (at_emulator.folder / ".git").mkdir()
    done = at_emulator("run", *options(twenty, "--run-id", "r"))
    assert done.code == 0, done.stderr
    assert (at_emulator.folder / "runs" / "state.sqlite3").exists()
    assert list(LocalArtifactStore(at_emulator.folder / "runs" / "files").names(""))
    assert not (at_emulator.folder / "runs" / "state_artifacts").exists()

    below = at_emulator.folder / "src"
    below.mkdir()
    at_emulator.folder = below
    assert at_emulator("status", "r").document["status"] == "completed"


def test_a_url_and_a_path_name_the_same_database(at_emulator: Any, twenty: Path, options: Any) -> None:
    url = f"sqlite:///{at_emulator.folder / 'by url.sqlite3'}"
    assert at_emulator("run", *options(twenty, "--run-id", "r"), "--storage-url", url).code == 0
    assert at_emulator("status", "r", "--db", "by url.sqlite3").document["status"] == "completed"
    assert at_emulator("status", "r", "--storage", "sqlite", env={"BATCHOR_STORAGE_URL": url}).code == 0


def test_a_database_by_url_that_is_not_there_is_not_created(batchor: Any) -> None:
    failed = batchor("status", "r", "--storage-url", "sqlite:///typo.sqlite3")
    assert (failed.code, "there is no database" in failed.stderr) == (7, True)
    assert not list(batchor.folder.glob("typo*"))


def test_the_sandbox_stays_apart_from_what_is_set_for_real_runs(batchor: Any) -> None:
    env = {"BATCHOR_STORAGE_URL": "postgresql://host/db", "BATCHOR_ARTIFACTS": "real"}
    settings = shown(batchor, "--sandbox", env=env)["settings"]
    values = {name: settings[name]["value"] for name in ("storage", "storage_url", "db_name", "artifacts")}
    assert values == {"storage": "sqlite", "storage_url": None, "db_name": "sandbox", "artifacts": None}


def test_the_sandbox_goes_where_a_flag_says(batchor: Any) -> None:
    settings = shown(batchor, "--sandbox", "--db", "x.sqlite3", env={"BATCHOR_ARTIFACTS": "real"})["settings"]
    values = [settings[name]["value"] for name in ("storage", "db_path", "db_name", "artifacts")]
    assert values == ["sqlite", "x.sqlite3", "default", "real"]
