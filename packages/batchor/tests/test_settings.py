from pathlib import Path

import pytest

from batchor.setting_layers import Given, Layer, Origin, OriginKind
from batchor.settings import Settings, config_file_of, load_settings, read_config_file, read_environment, read_settings
from batchor_core.errors import ConfigurationError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with no setting in sight."""
    for name in (*Settings.model_fields, "config"):
        monkeypatch.delenv(f"BATCHOR_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flags(**values: str) -> Layer:
    return {name: Given(value, Origin(OriginKind.FLAG, f"--{name}")) for name, value in values.items()}


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


def test_each_value_tells_who_decided_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "batchor.toml").write_text("concurrency = 2\nslice_rows = 3\nlease_ttl_s = 4\n")
    monkeypatch.setenv("BATCHOR_CONCURRENCY", "20")
    monkeypatch.setenv("BATCHOR_SLICE_ROWS", "30")
    layers = [flags(concurrency="200"), read_environment(), read_config_file(config_file_of(None))]
    loaded = read_settings(layers)
    settings = loaded.settings
    assert (settings.concurrency, settings.slice_rows, settings.lease_ttl_s) == (200, 30, 4.0)
    assert settings.poll_interval_s == 30.0
    names = ("concurrency", "slice_rows", "lease_ttl_s", "poll_interval_s")
    assert [str(loaded.origin(name)) for name in names] == [
        "--concurrency",
        "BATCHOR_SLICE_ROWS",
        f"{folder / 'batchor.toml'}: lease_ttl_s",
        "default",
    ]


def test_settings_that_are_made_by_hand_read_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "batchor.toml").write_text("concurrency = 2\n")
    monkeypatch.setenv("BATCHOR_SLICE_ROWS", "30")
    assert (Settings().concurrency, Settings().slice_rows) == (4, 5_000)


def test_the_file_may_be_named_by_an_argument_or_a_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("batchor.toml", "by_variable.toml", "by_argument.toml"), start=1):
        (folder / name).write_text(f"concurrency = {number}\n")
    assert load_settings().concurrency == 1
    monkeypatch.setenv("BATCHOR_CONFIG", "by_variable.toml")
    assert load_settings().concurrency == 2
    assert load_settings(config_file=Path("by_argument.toml")).concurrency == 3


def test_a_variable_in_a_url_of_the_database_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHOR_STORAGE_URL", "postgresql://me:canary@host/db")
    settings = load_settings()
    assert settings.storage_url == "postgresql://me:canary@host/db"
    assert "canary" not in repr(settings) + repr(read_environment())


def test_every_setting_is_described() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
