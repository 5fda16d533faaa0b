import sqlite3

import pytest

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
        (ServerError("25006"), "cannot be written"),
        (ServerError("40P01"), "kept the database locked"),
        (ServerError("08006"), "cannot be opened"),
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


def test_text_that_cannot_be_encoded_is_not_repeated() -> None:
    error = UnicodeEncodeError("utf-8", "a secret \ud800", 9, 10, "surrogates not allowed")
    assert "secret" not in str(storage_error(error, place="the file"))
