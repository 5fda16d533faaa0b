"""Wraps the SQLite storage: all of the contract stays with it, and one store of it is listened to."""

import json
import logging
import os
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchor_core.domain.events import RunEvent
from batchor_core.errors import ConfigurationError
from batchor_core.ports.state import EventLog, UnitOfWork
from batchor_sqlite import SQLiteStorage


class AcmeStorage:
    """Runs in the folder that `acme:///folder` names, by default `acme`; `acme:////srv/runs` is absolute."""

    def __init__(self, url: str = "acme:///acme") -> None:
        parts = urlsplit(url)
        if parts.scheme != "acme" or parts.netloc or not parts.path.strip("/"):
            raise ConfigurationError("the URL of an acme storage is acme:///FOLDER; correct it")
        self.folder = Path(unquote(parts.path[1:])).absolute()
        self._store = SQLiteStorage(path=self.folder / "state.sqlite3")

    @contextmanager
    def transaction(self) -> Generator[UnitOfWork]:
        with self._store.transaction() as uow:
            listening = _Listening(uow)
            yield listening
        # After the commit, so that nothing is told that did not happen; a process that dies here leaves
        # a log that lacks its last lines, while the database has them.
        if heard := listening.events.heard:
            self._tell(heard)

    def reading(self) -> AbstractContextManager[UnitOfWork]:
        return self._store.reading()

    @property
    def artifact_root(self) -> Path | None:
        return self._store.artifact_root

    def now(self, local: datetime) -> datetime:
        return self._store.now(local)

    def close(self) -> None:
        self._store.close()

    def _tell(self, events: Sequence[RunEvent]) -> None:
        lines = "".join(f"{_line(event)}\n" for event in events)
        try:
            with open(self.folder / "events.jsonl", "a", opener=_owner_only) as log:
                log.write(lines)
        except OSError:
            # What is committed is committed: a full disk must not make it look undone.
            logging.getLogger("batchor_acme").exception("%d events are not in the log", len(events))


def _line(event: RunEvent) -> str:
    return json.dumps(
        {"at": event.at.isoformat(), "run": event.run_id, "event": event.event_type, "data": dict(event.data)}
    )


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Listening:
    """Another's stores inside one transaction, the log of events with an ear."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.runs, self.items, self.batches, self.retries = uow.runs, uow.items, uow.batches, uow.retries
        self.lineage = uow.lineage
        self.results, self.artifacts, self.capacity = uow.results, uow.artifacts, uow.capacity
        self.events = _HeardEvents(uow.events)


class _HeardEvents:
    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.heard: list[RunEvent] = []

    def append(self, events: Sequence[RunEvent]) -> None:
        self._log.append(events)
        self.heard += events

    def read(self, run_id: str, *, after: int, limit: int) -> Sequence[tuple[int, RunEvent]]:
        return self._log.read(run_id, after=after, limit=limit)
