from pathlib import Path

import pytest

from batchor.settings import Settings, load_settings
from batchor_core.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"BATCHOR_{name.upper()}", raising=False)


def test_the_defaults_need_no_environment() -> None:
    settings = load_settings()
    assert (settings.storage, settings.db_path, settings.db_name) == ("sqlite", None, "default")
    assert (settings.lease_ttl_s, settings.concurrency, settings.slice_rows) == (30.0, 4, 5_000)
    assert (settings.recovery_quarantine_s, settings.poll_interval_s) == (120.0, 30.0)


def test_the_environment_goes_before_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHOR_DB_PATH", "runs/a.sqlite3")
    monkeypatch.setenv("BATCHOR_LEASE_TTL_S", "1.5")
    settings = load_settings()
    assert (settings.db_path, settings.lease_ttl_s) == (Path("runs/a.sqlite3"), 1.5)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHOR_DB_PATH", "")
    assert load_settings().db_path is None


def test_every_variable_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHOR_CONCURRENCY", "0")
    monkeypatch.setenv("BATCHOR_LEASE_TTL_S", "nan")
    with pytest.raises(ConfigurationError, match=r"BATCHOR_LEASE_TTL_S='nan'.*BATCHOR_CONCURRENCY='0'"):
        load_settings()


def test_a_dotenv_file_is_left_to_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BATCHOR_CONCURRENCY=9\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().concurrency == 4


def test_every_setting_is_described() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
