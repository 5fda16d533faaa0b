"""A worker's log on stderr: a line of JSON for each record, or of text."""

import json
import logging
import sys
from datetime import UTC, datetime

from batchor import RunEvent
from batchor_cli.terminal import printable

_events = logging.getLogger("batchor.events")


def log_to_stderr(*, as_json: bool) -> None:
    """Send batchor's records, from INFO on, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else _TextLines())
    logger = logging.getLogger("batchor")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def log_event(event: RunEvent) -> None:
    """The observer that writes every event of a run to the log."""
    fields = {"event": event.event_type.value, "run_id": event.run_id, **event.data}
    _events.info("%s %s", event.event_type.value, event.run_id, extra={"fields": fields})


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        told = " ".join(f"{name}={value}" for name, value in fields.items() if name not in {"event", "run_id"})
        text = " ".join(part for part in (_time_of(record), record.levelname, record.getMessage(), told) if part)
        # What comes from data must not look like a record of its own.
        line = printable(text).replace("\n", "\\n")
        return f"{line}\n{printable(self.formatException(record.exc_info))}" if record.exc_info else line


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
