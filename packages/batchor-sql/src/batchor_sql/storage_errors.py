"""Where the database's own errors become `StorageError`s that say what is safe and what to do."""

from dataclasses import dataclass

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from batchor_core.errors import StorageError, StorageUnavailableError


class ClashError(StorageError):
    """A key is taken: for the stores, which know by whom."""


@dataclass(frozen=True, slots=True)
class _Fault:
    what: str
    remedy: str
    passes: bool = False
    """The same step may well succeed later, with no change to it."""


_AGAIN = "run the same command again"

_FULL = _Fault("the disk is full", f"free some space, then {_AGAIN}")
_READ_ONLY = _Fault("the database cannot be written", "give this user the right to write to it and to its folder")
_CUT_OFF = _Fault(
    "a transaction of another program was cut off in this file",
    "open it once with that program or with the sqlite3 command, which undo that transaction, or give another path",
)
_STANDBY = _Fault("the database is read-only", "give the address of the primary server, not of a standby")
_FORBIDDEN = _Fault(
    "this user may not do that in the database", "grant it what is named, or create the schema for it beforehand"
)
_LOCKED = _Fault(
    "another process kept the database locked for too long",
    "end that process or wait for it, then try again",
    passes=True,
)
_SLOW = _Fault("the database took too long", "look for load or locks on the server, then try again", passes=True)
_IDLE = _Fault("this process was too slow, so the database ended its transaction", "try again", passes=True)
_CORRUPT = _Fault(
    "the database is damaged", "copy it away with its -wal file, restore it from a backup or with the database's tools"
)
_FOREIGN = _Fault("this is no SQLite database", "give another path; the file was not touched")
_IO = _Fault("the disk refused to read or write", f"look for a full or failing disk or a size limit, then {_AGAIN}")
_CLOSED = _Fault(
    "the database cannot be opened", "check that it exists, that it is reachable and that this user may use it"
)
_UNREACHABLE = _Fault(
    "the database server cannot be reached",
    f"check that it runs, its address and the network, then {_AGAIN}",
    passes=True,
)
_LOST = _Fault("the connection to the database was lost", f"when the server answers again, {_AGAIN}", passes=True)
_GOING = _Fault("the database server is shutting down or starting up", f"when it is up again, {_AGAIN}", passes=True)
_CROWDED = _Fault(
    "the database server has no free connection", "end other clients, or raise its max_connections", passes=True
)
_BUSY = _Fault(
    "the database server is out of memory or another resource", f"lighten its load, then {_AGAIN}", passes=True
)
_STRANGER = _Fault("the database does not let this user in", "correct user, password or the server's pg_hba.conf")
_MISSING = _Fault("there is no such database", "create it, or correct its name in the URL")
_TEXT = _Fault("a text cannot be stored (it holds half of a surrogate pair, or NUL)", "correct the input")
_OTHER = _Fault("the database refused what batchor asked", "this looks like a fault of batchor: please report it")

# The first row whose prefix fits is taken: SQLite's names of result codes, then the SQLSTATEs of the servers.
_FAULTS: tuple[tuple[str, _Fault], ...] = (
    ("SQLITE_FULL", _FULL),
    ("SQLITE_READONLY_ROLLBACK", _CUT_OFF),
    ("SQLITE_READONLY", _READ_ONLY),
    ("SQLITE_PERM", _READ_ONLY),
    ("SQLITE_BUSY", _LOCKED),
    ("SQLITE_LOCKED", _LOCKED),
    ("SQLITE_CORRUPT", _CORRUPT),
    ("SQLITE_NOTADB", _FOREIGN),
    ("SQLITE_IOERR", _IO),
    ("SQLITE_CANTOPEN", _CLOSED),
    ("53100", _FULL),
    ("53300", _CROWDED),
    ("53", _BUSY),
    ("25006", _STANDBY),
    ("25P03", _IDLE),
    ("42501", _FORBIDDEN),
    ("55P03", _LOCKED),
    ("40", _LOCKED),
    ("XX00", _CORRUPT),
    ("58", _IO),
    ("08", _LOST),
    ("28", _STRANGER),
    ("3D", _MISSING),
    ("57014", _SLOW),
    ("57P04", _MISSING),
    ("57P05", _LOST),
    ("57P", _GOING),
    ("22021", _TEXT),
    ("22P05", _TEXT),
)

_CLASH = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE", "23505")

# PostgreSQL's driver has no code for a refused connection, only the server's words. In another language
# they all count as unreachable.
_REFUSALS: tuple[tuple[str, _Fault], ...] = (
    ("authentication failed", _STRANGER),
    ("no password supplied", _STRANGER),
    ("pg_hba.conf", _STRANGER),
    ("not permitted to log in", _STRANGER),
    ("permission denied for database", _STRANGER),
    ('FATAL:  role "', _STRANGER),
    ('FATAL:  database "', _MISSING),
    ("too many", _CROWDED),
    ("connection slots are reserved", _CROWDED),
    ("is starting up", _GOING),
    ("is shutting down", _GOING),
    ("not yet accepting connections", _GOING),
    ("in recovery mode", _GOING),
)


def storage_error(error: BaseException, *, place: str, lost: bool = False, in_doubt: bool = False) -> StorageError:
    """What *error* of the driver means for the user of the database at *place*.

    *lost*: there is no connection, or none any more. *in_doubt*: that was while a commit was on its way.
    """
    fault = _fault(error, lost=lost)
    # An unknown SQL text never gets in here: drivers report reasons, not parameters.
    reason = "" if fault is _TEXT else f" ({str(error).strip()})"
    step = (
        "it is not known whether this step was stored, and batchor looks before it goes on"
        if in_doubt
        else "this step was undone"
    )
    kind = ClashError if _code(error) in _CLASH else StorageUnavailableError if fault.passes else StorageError
    return kind(f"{place}: {fault.what}{reason}; everything committed before is safe and {step}; {fault.remedy}")


def _code(error: BaseException) -> str:
    return getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or ""


def _fault(error: BaseException, *, lost: bool) -> _Fault:
    if isinstance(error, UnicodeError):
        return _TEXT
    if code := _code(error):
        return next((fault for prefix, fault in _FAULTS if code.startswith(prefix)), _LOST if lost else _OTHER)
    if not lost:
        return _TEXT if "NUL (0x00)" in str(error) else _OTHER
    return next((fault for words, fault in _REFUSALS if words in str(error)), _UNREACHABLE)


def explain_errors(engine: Engine, *, place: str) -> None:
    """Let everything that fails on *engine* raise `StorageError`, wherever it is noticed."""

    @event.listens_for(engine, "handle_error")
    def explain(context: ExceptionContext) -> StorageError | None:
        error = context.original_exception
        if context.is_pre_ping or not isinstance(error, Exception):
            return None  # a connection that turns out to be dead is replaced
        lost = context.is_disconnect or (context.connection is None and not _code(error))
        # Begin, commit and rollback have no statement; of them, only a lost commit reaches the caller.
        in_doubt = context.is_disconnect and context.connection is not None and context.statement is None
        return storage_error(error, place=place, lost=lost, in_doubt=in_doubt)
