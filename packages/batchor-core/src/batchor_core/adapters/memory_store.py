"""What the stores inside a transaction of `MemoryStateStore` have in common."""

import difflib
import json

from batchor_core.adapters.memory_facts import RunFacts, StateFacts, UndoJournal
from batchor_core.errors import RunNotFoundError
from batchor_core.json_types import JsonObject, JsonValue


class MemoryStore:
    """The facts, and the journal of the transaction."""

    def __init__(self, facts: StateFacts, journal: UndoJournal) -> None:
        self._facts = facts
        self._journal = journal

    def _run(self, run_id: str) -> RunFacts:
        if (found := self._facts.runs.get(run_id)) is None:
            raise RunNotFoundError(run_id, nearest=difflib.get_close_matches(run_id, self._facts.runs))
        return found


def stored_object(value: JsonObject) -> JsonObject:
    copy: JsonObject = json.loads(json.dumps(dict(value)))
    return copy


def stored_value(value: JsonValue) -> JsonValue:
    copy: JsonValue = json.loads(json.dumps(value))
    return copy
