"""Where the database's own errors become `StorageError`s that say what is safe and what to do."""

from dataclasses import dataclass

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from batchor_core.errors import StorageError


@dataclass(frozen=True, slots=True)
class _Fault:
    what: str
    remedy: str


_FULL = _Fault("the disk is full", "free some space, then run the same command again")
_READ_ONLY = _Fault("the database cannot be written", "give this user the right to write to it and to its folder")
_LOCKED = _Fault(
    "another process kept the database locked for too long", "end that process or wait for it, then try again"
)
_CORRUPT = _Fault(
    "the database is damaged", "copy it away with its -wal file, restore it from a backup or with the database's tools"
)
_FOREIGN = _Fault("this is no SQLite database", "give another path; the file was not touched")
_IO = _Fault(
    "the disk refused to read or write", "look for a full or failing disk or a size limit, then run the command again"
)
_UNREACHABLE = _Fault(
    "the database cannot be opened", "check that it exists, that it is reachable and that this user may use it"
)
_TEXT = _Fault("a text cannot be stored (it holds half of a surrogate pair, or NUL)", "correct the input")
_OTHER = _Fault("the database refused what batchor asked", "this looks like a fault of batchor: please report it")

# The first row whose prefix fits is taken: SQLite's names of result codes, then the SQLSTATEs of the servers.
_FAULTS: tuple[tuple[str, _Fault], ...] = (
    ("SQLITE_FULL", _FULL),
    ("SQLITE_READONLY", _READ_ONLY),
    ("SQLITE_PERM", _READ_ONLY),
    ("SQLITE_BUSY", _LOCKED),
    ("SQLITE_LOCKED", _LOCKED),
    ("SQLITE_CORRUPT", _CORRUPT),
    ("SQLITE_NOTADB", _FOREIGN),
    ("SQLITE_IOERR", _IO),
    ("SQLITE_CANTOPEN", _UNREACHABLE),
    ("53", _FULL),
    ("25006", _READ_ONLY),
    ("42501", _READ_ONLY),
    ("55P03", _LOCKED),
    ("40", _LOCKED),
    ("XX00", _CORRUPT),
    ("58", _IO),
    ("08", _UNREACHABLE),
    ("28", _UNREACHABLE),
    ("3D", _UNREACHABLE),
    ("57P", _UNREACHABLE),
    ("22021", _TEXT),
)


def storage_error(error: BaseException, *, place: str) -> StorageError:
    """What *error* of the driver means for the user of the database at *place*."""
    fault = _fault(error)
    # An unknown SQL text never gets in here: drivers report reasons, not parameters.
    reason = "" if fault is _TEXT else f" ({error})"
    return StorageError(
        f"{place}: {fault.what}{reason}; everything committed before is safe and this step was undone; {fault.remedy}"
    )


def _fault(error: BaseException) -> _Fault:
    if isinstance(error, UnicodeError):
        return _TEXT
    code = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or ""
    return next((fault for prefix, fault in _FAULTS if code.startswith(prefix)), _OTHER)


def explain_errors(engine: Engine, *, place: str) -> None:
    """Let everything that fails on *engine* raise `StorageError`, wherever it is noticed."""

    @event.listens_for(engine, "handle_error")
    def explain(context: ExceptionContext) -> StorageError | None:
        error = context.original_exception
        return storage_error(error, place=place) if isinstance(error, Exception) else None
