"""After a real run: no key anywhere, and every file for its owner alone."""

import logging
import stat
from pathlib import Path

import pytest

from batchor_core import BatchItem, BatchJob, BatchRunner
from batchor_core.errors import ConfigChangedError, ConfigurationError, ProviderRefusedError
from batchor_emulator import EmulatorProcess
from batchor_openai import OpenAIBatchProvider, OpenAIProviderConfig
from batchor_sqlite import SQLiteStorage

CANARY = "sk-canary-0123456789abcdef-canary"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run_with_key(folder: Path, *, key: str = CANARY) -> list[str]:
    """Run, export and prune; everything that the process could have shown."""
    shown: list[str] = []
    with (
        EmulatorProcess(state_dir=folder.parent / "emulator") as emulator,
        BatchRunner(
            SQLiteStorage(path=folder / "state.sqlite3"), observer=lambda event: shown.append(repr(event))
        ) as runner,
    ):
        config = OpenAIProviderConfig(model="gpt-4.1", base_url=emulator.base_url, api_key=key, poll_interval_s=0.1)
        job = BatchJob(
            items=[BatchItem(f"i{n}", f"prompt {n}") for n in range(20)],
            build_prompt=lambda item: item.payload,
            provider_config=config,
        )
        run = runner.run_and_wait(job)
        shown += [repr(config), repr(job), repr(run), repr(run.summary()), repr(run.snapshot()), repr(run.results())]
        run.export_artifacts(folder / "exports")
        run.export_terminal_results(folder / "results.jsonl")
        provider = OpenAIBatchProvider.connect(config)
        with pytest.raises(ProviderRefusedError) as refusal:
            provider.client.get("batch_unknown")
        shown.append(f"{refusal.value!r} {refusal.value}")
        provider.close()
    return shown


def test_the_key_is_in_no_file_no_event_no_log_and_no_repr(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = run_with_key(folder)
    assert not [text for text in shown if CANARY in text]
    assert CANARY not in caplog.text
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


def test_every_file_and_folder_is_for_its_owner_alone(folder: Path) -> None:
    run_with_key(folder)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert {path: oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_a_run_is_not_driven_against_another_host_or_project(folder: Path) -> None:
    with EmulatorProcess() as emulator, BatchRunner(SQLiteStorage(path=folder / "state.sqlite3")) as runner:
        here = OpenAIProviderConfig(model="gpt-4.1", base_url=emulator.base_url, api_key=CANARY)
        job = BatchJob(items=[BatchItem("a", "x")], build_prompt=lambda item: item.payload, provider_config=here)
        runner.start(job, run_id="here")
        for other in (
            OpenAIProviderConfig(model="gpt-4.1", base_url="https://example.org/v1", api_key=CANARY),
            OpenAIProviderConfig(model="gpt-4.1", base_url=emulator.base_url, api_key=CANARY, project="other"),
        ):
            with pytest.raises(ConfigChangedError, match="provider_config"):
                runner.get_run("here", provider_config=other).refresh()


def test_a_run_is_not_driven_in_a_project_that_the_environment_names_since(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_PROJECT_ID", raising=False)
    with EmulatorProcess() as emulator, BatchRunner(SQLiteStorage(path=folder / "state.sqlite3")) as runner:
        monkeypatch.setenv("OPENAI_BASE_URL", emulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        job = BatchJob(
            items=[BatchItem("a", "x")],
            build_prompt=lambda item: item.payload,
            provider_config=OpenAIProviderConfig(model="gpt-4.1"),
        )
        runner.start(job, run_id="here")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj_other")
        before = dict(emulator.calls())
        with pytest.raises(ConfigurationError, match="OPENAI_PROJECT_ID"):
            runner.get_run("here").refresh()
        assert dict(emulator.calls()) == before
