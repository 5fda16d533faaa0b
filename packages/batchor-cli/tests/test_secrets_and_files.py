"""What the command never takes, never shows, and leaves to its owner alone."""

import json
import logging
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from batchor_cli.app import app
from batchor_cli.model_class import chosen_model
from batchor_cli.on_demand import KNOWN, loaded
from batchor_cli.worker_health import HealthFile
from batchor_cli.worker_log import log_to_stderr


def options_of(command: Any) -> Iterator[str]:
    """The names of a command's options, and of those of the commands below it."""
    for parameter in command.params:
        yield from parameter.opts
    for each in getattr(command, "commands", {}).values():
        yield from options_of(each)


def test_no_option_takes_a_key_or_a_password() -> None:
    commands = [typer.main.get_command(app), *(loaded(name) for name in KNOWN)]
    options = {option for command in commands for option in options_of(command)}
    assert "--model" in options
    assert {name for name in options if re.search("key|secret|password|credential", name)} == {"--api-key-env"}


@pytest.fixture
def _umask_lets_everybody_in() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask_lets_everybody_in")
def test_everything_that_a_run_leaves_is_for_its_owner_alone(at_emulator: Any, twenty: Path, options: Any) -> None:
    folder = at_emulator.folder
    assert at_emulator("run", *options(twenty, "--run-id", "r"), "--output", "run.jsonl").code == 0
    for name in ("results.csv", "results.parquet"):
        assert at_emulator("results", "r", "--output", name).code == 0
    assert at_emulator("results", "r", "--after", "5", "--append", "--output", "appended.jsonl").code == 0
    assert at_emulator("export-artifacts", "r", "--destination-dir", "exports").code == 0
    left = [path for path in folder.rglob("*") if path != folder / "data"]
    assert {"run.jsonl", "results.parquet", "appended.jsonl", "manifest.json"} <= {path.name for path in left}
    modes = {path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in left}
    wrong = {name: oct(mode) for name, mode in modes.items() if mode not in {0o600, 0o700}}
    assert wrong == {}


@pytest.mark.usefixtures("_umask_lets_everybody_in")
def test_a_sandbox_leaves_nothing_that_others_can_read(batchor: Any, twenty: Path, options: Any) -> None:
    assert batchor("run", "--sandbox", *options(twenty), "--output", "out.jsonl").code == 0
    left = [path for path in batchor.folder.rglob("*") if path != batchor.folder / "data"]
    assert any("sandbox" in path.name for path in left)
    assert not [path for path in left if path.stat().st_mode & 0o077]


@pytest.mark.parametrize("run_id", ["../../x", "a/b"])
@pytest.mark.parametrize("command", ["status", "cancel", "export-artifacts", "prune-artifacts"])
def test_a_hostile_run_id_is_refused_and_nothing_is_made(open_run: Any, command: str, run_id: str) -> None:
    before = set(open_run.folder.parent.rglob("*"))
    more = ("--destination-dir", "out") if command == "export-artifacts" else ()
    refused = open_run(command, "--run-id", run_id, *more)
    assert refused.code == 2
    assert run_id in refused.stderr
    made = set(open_run.folder.parent.rglob("*")) - before
    assert {path.suffix for path in made} <= {".sqlite3-wal", ".sqlite3-shm"}


def test_a_hostile_run_id_does_not_start_a_run(at_emulator: Any, twenty: Path, options: Any) -> None:
    refused = at_emulator("start", *options(twenty, "--run-id", "../../x"))
    assert refused.code == 2
    assert [path for path in at_emulator.folder.rglob("*") if path.is_file()] == []


def test_control_characters_of_data_do_not_reach_the_terminal(batchor: Any, options: Any) -> None:
    refused = batchor("start", *options(Path("\x1b[2J\u202e.jsonl")), env={"OPENAI_API_KEY": "any"})
    assert refused.code != 0
    assert "[2J" in refused.stderr
    assert not {"\x1b", "\u202e"} & set(refused.stderr)


@pytest.mark.parametrize(
    "arguments",
    [("status", "--db-path", "[red]x[/red]", "r"), ("start", "--input", "[red]x[/red].jsonl"), ("[red]x[/red]",)],
)
def test_markup_in_data_is_shown_as_it_is(batchor: Any, arguments: tuple[str, ...]) -> None:
    job = ("--id-field", "id", "--prompt-field", "p", "--model", "m") if arguments[0] == "start" else ()
    refused = batchor(*arguments, *job, env={"OPENAI_API_KEY": "any"})
    assert "[red]x[/red]" in refused.stderr


@pytest.fixture
def _logger() -> Iterator[None]:
    logger = logging.getLogger("batchor")
    before, level = list(logger.handlers), logger.level
    yield
    logger.handlers, logger.level = before, level


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("as_json", [True, False])
def test_data_cannot_forge_a_line_of_the_log(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    log_to_stderr(as_json=as_json)
    hostile = "bad\n2026-01-01T00:00:00.000+00:00 INFO run_finished r status=completed\x1b[2J"
    logging.getLogger("batchor").info("%s", hostile, extra={"fields": {"message_of": hostile}})
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown


@pytest.mark.usefixtures("_logger")
def test_a_traceback_in_the_log_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(as_json=False)
    try:
        raise ValueError("bad\x1b[2J")
    except ValueError:
        logging.getLogger("batchor").exception("it went wrong")
    first, second, *_, last = capsys.readouterr().err.splitlines()
    assert first.endswith("ERROR it went wrong")
    assert second.startswith("Traceback")
    assert last == "ValueError: bad\\u001b[2J"


def leftover(folder: Path) -> Path:
    return folder / f".health.json.{os.getpid()}.new"


def test_a_link_in_the_way_of_the_health_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("somebody's")
    leftover(tmp_path).symlink_to(victim)
    HealthFile(tmp_path / "health.json").write(None)
    assert victim.read_text() == "somebody's"
    assert json.loads((tmp_path / "health.json").read_text())["state"] == "starting"


def test_a_leftover_that_others_can_read_lends_the_health_file_no_mode(tmp_path: Path) -> None:
    leftover(tmp_path).touch(mode=0o666)
    leftover(tmp_path).chmod(0o666)
    HealthFile(tmp_path / "health.json").write(None)
    assert stat.S_IMODE((tmp_path / "health.json").stat().st_mode) == 0o600


def test_a_named_model_opens_the_current_folder_for_its_own_import_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models_of_this_folder.py").write_text(
        "from pydantic import BaseModel\nclass Report(BaseModel):\n    a: int\n"
    )
    (tmp_path / "not_named.py").touch()
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    model = chosen_model("models_of_this_folder:Report")
    assert model is not None
    assert issubclass(model, BaseModel)
    assert sys.path == before
    with pytest.raises(ModuleNotFoundError):
        __import__("not_named")
