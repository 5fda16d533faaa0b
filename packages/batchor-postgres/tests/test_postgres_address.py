import traceback

import pytest

from batchor_core.errors import BatchorError, ConfigurationError, StorageUnavailableError
from batchor_postgres import PostgresStorage

_SECRET = "pa55-word"
_NOWHERE = f"postgresql://ann:{_SECRET}@127.0.0.1:1/runs"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_usual_schemes_are_taken(scheme: str) -> None:
    storage = PostgresStorage(f"{scheme}://ann@db.example:5433/runs")
    assert storage.place == "PostgreSQL at db.example:5433, database 'runs', schema 'batchor'"


@pytest.mark.parametrize(
    "url", [f"mysql://ann:{_SECRET}@host/runs", f"postgresql+asyncpg://ann:{_SECRET}@host/runs", _SECRET, "sqlite:///a"]
)
def test_another_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"its form is postgresql://") as caught:
        PostgresStorage(url)
    assert _SECRET not in "".join(traceback.format_exception(caught.value))


def test_without_a_url_the_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHOR_STORAGE_URL", "postgresql://db.example/runs")
    assert "db.example" in PostgresStorage().place


def test_without_url_and_variable_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATCHOR_STORAGE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="give url= or set BATCHOR_STORAGE_URL"):
        PostgresStorage()


@pytest.mark.parametrize("schema", ["", "Batchor", "a b", 'a"; DROP TABLE run; --', "1a", "pg_mine", "x" * 64, "a\n"])
def test_a_schema_that_is_no_plain_name_is_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for a schema"):
        PostgresStorage(_NOWHERE, schema=schema)


@pytest.mark.parametrize("url", [_NOWHERE, f"postgresql://127.0.0.1:1/runs?user=ann&password={_SECRET}"])
def test_neither_representation_nor_error_shows_the_password(url: str) -> None:
    storage = PostgresStorage(url)
    with pytest.raises(StorageUnavailableError, match=r"127\.0\.0\.1:1.*cannot be reached") as caught:
        storage.transaction()
    shown = repr(storage) + "".join(traceback.format_exception(caught.value))
    assert _SECRET not in shown


def test_a_storage_without_a_folder_for_artifacts_says_what_to_give() -> None:
    with pytest.raises(BatchorError, match="artifact_root="):
        _ = PostgresStorage(_NOWHERE).artifact_root


def test_the_folder_for_artifacts_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    root = PostgresStorage(_NOWHERE, artifact_root="files").artifact_root
    assert str(root) == f"{tmp_path}/files"
