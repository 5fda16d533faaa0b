"""A process for the tests: opens what a death at each system call of storing a first run would leave.

Usage: stop_at_each_call.py FOLDER, an empty one; prints JSON: `files`, the names of the files at each death, and
`harmed`, what was wrong there.
"""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from batchor_core.errors import BatchorError, RunNotFoundError
from batchor_sqlite import SQLiteStorage
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import start_run
from batchor_testkit.sudden_deaths import left_behind

_ITEMS = 3


def _store_a_run(path: Path) -> None:
    storage = SQLiteStorage(path=path)
    start_run(storage, items=_ITEMS)
    storage.close()


def _harm(path: Path) -> str | None:
    """What is wrong with the database at *path*, used as a next process would: it has the run, or takes it."""
    storage = SQLiteStorage(path=path)
    try:
        try:
            with storage.reading() as unit:
                stored = unit.items.recount(RUN_ID).pending
        except RunNotFoundError:
            stored = _ITEMS
            start_run(storage, items=_ITEMS)
    except BatchorError as error:
        return str(error)
    finally:
        storage.close()
    if stored != _ITEMS:
        return f"{stored} of {_ITEMS} items"
    with closing(sqlite3.connect(path)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    return None if verdict == "ok" else str(verdict)


def main(folder: Path) -> None:
    (child_folder := folder / "child").mkdir()
    files: list[list[str]] = []
    harmed = []
    for left in left_behind(lambda: _store_a_run(child_folder / "state.sqlite3"), child_folder, copies=folder):
        files.append(sorted(path.name for path in left.iterdir()))
        if (harm := _harm(left / "state.sqlite3")) is not None:
            harmed.append(f"{files[-1]}: {harm}")
    print(json.dumps({"files": files, "harmed": harmed}))


main(Path(sys.argv[1]))
