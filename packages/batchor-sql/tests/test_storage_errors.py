import sqlite3

import pytest

from batchor_core.errors import StorageUnavailableError
from batchor_sql.storage_errors import storage_error


class ServerError(Exception):
    """Has the code that drivers of PostgreSQL give."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("the server's words")
        self.sqlstate = sqlstate


def _sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("the driver's words")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (_sqlite_error("SQLITE_FULL"), "the disk is full"),
        (_sqlite_error("SQLITE_READONLY_DIRECTORY"), "cannot be written"),
        (_sqlite_error("SQLITE_BUSY_SNAPSHOT"), "kept the database locked"),
        (_sqlite_error("SQLITE_CORRUPT_INDEX"), "is damaged"),
        (_sqlite_error("SQLITE_NOTADB"), "is no SQLite database"),
        (_sqlite_error("SQLITE_IOERR_FSYNC"), "refused to read or write"),
        (_sqlite_error("SQLITE_CANTOPEN"), "cannot be opened"),
        (_sqlite_error("SQLITE_CONSTRAINT_UNIQUE"), "fault of batchor"),
        (ServerError("53100"), "the disk is full"),
        (ServerError("25006"), "is read-only"),
        (ServerError("40P01"), "kept the database locked"),
        (ServerError("08006"), "the connection to the database was lost"),
        (ServerError("22021"), "a text cannot be stored"),
        (ServerError("42P01"), "fault of batchor"),
        (ValueError("no code at all"), "fault of batchor"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_is_safe(error: Exception, told: str) -> None:
    message = str(storage_error(error, place="the file"))
    assert message.startswith("the file: ")
    assert told in message
    assert "everything committed before is safe" in message


@pytest.mark.parametrize(
    "error",
    [
        _sqlite_error("SQLITE_BUSY"),
        ServerError("40001"),
        ServerError("40P01"),
        ServerError("55P03"),
        ServerError("57014"),
        ServerError("57P01"),
        ServerError("57P03"),
        ServerError("08006"),
        ServerError("25P03"),
        ServerError("53200"),
        ServerError("53300"),
    ],
)
def test_a_fault_that_passes_is_worth_another_try(error: Exception) -> None:
    assert isinstance(storage_error(error, place="there"), StorageUnavailableError)


@pytest.mark.parametrize("code", ["53100", "25006", "28P01", "3D000", "42501", "58030", "XX001", "23505", "42P01"])
def test_a_fault_that_lasts_is_not(code: str) -> None:
    assert not isinstance(storage_error(ServerError(code), place="there"), StorageUnavailableError)


@pytest.mark.parametrize(
    ("words", "told", "passes"),
    [
        ('FATAL:  password authentication failed for user "ann"', "does not let this user in", False),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "does not let this user in", False),
        ('FATAL:  role "ann" does not exist', "does not let this user in", False),
        ('FATAL:  database "runs" does not exist', "no such database", False),
        ("FATAL:  sorry, too many clients already", "no free connection", True),
        ("FATAL:  the database system is starting up", "shutting down or starting up", True),
        ("Connection refused", "cannot be reached", True),
        ("failed to resolve host 'db'", "cannot be reached", True),
        ("connection timeout expired", "cannot be reached", True),
    ],
)
def test_a_connection_that_is_not_made_is_told_by_the_servers_words(words: str, told: str, *, passes: bool) -> None:
    error = storage_error(OSError(words), place="there", lost=True)
    assert told in str(error)
    assert isinstance(error, StorageUnavailableError) == passes


def test_a_commit_without_an_answer_is_said_to_be_in_doubt() -> None:
    message = str(storage_error(OSError("gone"), place="there", lost=True, in_doubt=True))
    assert "not known whether this step was stored" in message
    assert "undone" not in message


def test_text_that_cannot_be_encoded_is_not_repeated() -> None:
    error = UnicodeEncodeError("utf-8", "a secret \ud800", 9, 10, "surrogates not allowed")
    assert "secret" not in str(storage_error(error, place="the file"))
