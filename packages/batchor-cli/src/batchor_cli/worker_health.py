"""The health file of a worker: for probes that look at its age, and for people that look into it."""

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from batchor import WorkReport


class HealthFile:
    """Written anew about once a second, whole each time; removed when the context ends. *path* None: there is none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def write(self, report: WorkReport | None) -> None:
        """Say how the worker stands; None: it has just begun."""
        if self._path is None:
            return
        document = {
            "at": datetime.now(UTC).isoformat(),
            "pid": os.getpid(),
            "state": _state(report),
            **({} if report is None else asdict(report)),
        }
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
        # What another process left there, a file that others can write or a link, is not written to.
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, default=str)
        new.replace(self._path)


def _state(report: WorkReport | None) -> str:
    if report is None:
        return "starting"
    if report.storage_trouble is not None:
        return "storage_unavailable"
    return "working" if report.open_runs > len(report.troubles) else "idle"
