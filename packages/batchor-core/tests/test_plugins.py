"""Adapters are found by name; those of third parties by what their installed packages say."""

from pathlib import Path

import pytest

from batchor_core import BatchRunner, MemoryStateStore
from batchor_core.errors import ConfigurationError, UnknownAdapterError
from batchor_core.plugins import sqlite_path, storage_named, storage_of_url

MODULE = """
from batchor_core import MemoryStateStore

class Plain(MemoryStateStore):
    pass

class WithUrl(MemoryStateStore):
    def __init__(self, url=None):
        super().__init__()
        self.url = url

class UrlOnly(MemoryStateStore):
    def __init__(self, *, url):
        super().__init__()
        self.url = url
"""
ENTRIES = """
[batchor.storages]
plain = third_party_storages:Plain
acme = third_party_storages:WithUrl
strict = third_party_storages:UrlOnly
broken = third_party_storages:Gone
absent = third_party_nowhere:Storage
"""


@pytest.fixture(autouse=True)
def _third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that registers storages."""
    (tmp_path / "third_party_storages.py").write_text(MODULE)
    metadata = tmp_path / "third_party-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "third_party_storages", raising=False)


def test_a_storage_without_a_url_is_made_without_arguments() -> None:
    assert isinstance(storage_named("memory"), MemoryStateStore)
    assert type(storage_named("plain")).__name__ == "Plain"


def test_a_storage_gets_the_url_that_is_given() -> None:
    assert vars(storage_named("acme", url="acme:///runs"))["url"] == "acme:///runs"
    assert vars(storage_named("acme"))["url"] is None


@pytest.mark.parametrize("name", ["memory", "plain"])
def test_a_storage_that_takes_no_url_says_so(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}' takes no URL; leave it out"):
        storage_named(name, url="x://y")


def test_a_storage_that_needs_a_url_says_so() -> None:
    with pytest.raises(ConfigurationError, match="'strict' needs a URL"):
        storage_named("strict")


@pytest.mark.parametrize("name", ["broken", "absent"])
def test_a_storage_that_cannot_be_loaded_is_named_with_its_entry(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}' is registered as third_party_.*cannot be loaded"):
        storage_named(name)


def test_an_unknown_name_is_answered_with_all_that_are_known() -> None:
    with pytest.raises(UnknownAdapterError, match=r"'floppy'; known: absent, acme, .*memory.*sqlite"):
        storage_named("floppy")


def test_a_runner_takes_a_registered_name() -> None:
    with BatchRunner(storage="acme") as runner:
        assert runner.runs() == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://host/db", "postgres"),
        ("postgres://host/db", "postgres"),
        ("postgresql+psycopg://host/db", "postgres"),
        ("SQLite:///x.db", "sqlite"),
        ("acme:///runs", "acme"),
    ],
)
def test_the_scheme_of_a_url_names_its_storage(url: str, name: str) -> None:
    assert storage_of_url(url) == name


@pytest.mark.parametrize("url", ["runs.sqlite3", "", "://host", "/var/runs", "host=db password=a:b"])
def test_what_has_no_scheme_is_no_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="begins with its scheme"):
        storage_of_url(url)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///runs/a.db", "runs/a.db"),
        ("sqlite:////var/a.db", "/var/a.db"),
        ("sqlite:///my%20runs.db", "my runs.db"),
    ],
)
def test_the_url_of_an_sqlite_file_is_a_path(url: str, path: str) -> None:
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://a.db", "sqlite:///:memory:", "postgresql:///a"])
def test_another_url_is_no_sqlite_file(url: str) -> None:
    with pytest.raises(ConfigurationError, match="three slashes"):
        sqlite_path(url)


@pytest.mark.parametrize("url", ["sqlite:///a.db?mode=ro", "sqlite:///a.db#x"])
def test_the_url_of_an_sqlite_file_takes_no_options(url: str) -> None:
    with pytest.raises(ConfigurationError, match="takes no options"):
        sqlite_path(url)
