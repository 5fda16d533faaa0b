"""Read: stored results become what users see, page by page."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from batchor_core.domain.item import ItemStatus
from batchor_core.domain.job import OutputModel
from batchor_core.domain.results import (
    ItemFailure,
    ResultRow,
    StoredResult,
    StructuredItemResult,
    TextItemResult,
    TokenUsage,
)
from batchor_core.errors import StructuredOutputError
from batchor_core.json_types import JsonObject, JsonValue
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import ArtifactRecord, StateStore

PAGE_ROWS = 1_000


class ResultReader:
    """Reads one run's results in bounded memory. *model*: the class of structured answers, None for text."""

    def __init__(
        self, run_id: str, *, store: StateStore, artifacts: ArtifactStore, model: type[OutputModel] | None
    ) -> None:
        self._run_id = run_id
        self._store = store
        self._artifacts = artifacts
        self._model = model

    def in_input_order(self) -> Iterator[TextItemResult]:
        """Every result so far, by the item's place in the input."""
        first = 0
        while True:
            with self._store.reading() as uow:
                page = uow.results.by_index(self._run_id, first=first, limit=PAGE_ROWS)
            if not page:
                return
            yield from self.built(page)
            first = page[-1].row.item_index + 1

    def in_completion_order(self) -> Iterator[TextItemResult]:
        """Every result so far, in the order in which they ended."""
        after = 0
        while page := self.by_sequence(after=after, limit=PAGE_ROWS):
            yield from self.built(page)
            after = page[-1].row.sequence

    def by_sequence(self, *, after: int, limit: int) -> Sequence[StoredResult]:
        with self._store.reading() as uow:
            return uow.results.by_sequence(self._run_id, after=after, limit=limit)

    def built(self, page: Sequence[StoredResult]) -> list[TextItemResult]:
        """The results of one page, with access to their raw lines."""
        artifacts = self._artifacts_of(page)
        return [self._build(stored, artifacts) for stored in page]

    def _artifacts_of(self, page: Sequence[StoredResult]) -> dict[int, ArtifactRecord]:
        ids = {stored.row.raw_artifact_id for stored in page} - {None}
        with self._store.reading() as uow:
            return {record.artifact_id: record for record in uow.artifacts.get([i for i in ids if i is not None])}

    def _build(self, stored: StoredResult, artifacts: dict[int, ArtifactRecord]) -> TextItemResult:
        row = stored.row
        fields: dict[str, Any] = {
            "item_id": stored.item_id,
            "status": row.status,
            "attempt_count": row.attempt_count,
            "output_text": row.output_text,
            "error": None if row.failure is None else ItemFailure.from_json(row.failure),
            "metadata": _metadata(stored.metadata),
            "usage": TokenUsage(row.input_tokens, row.output_tokens, row.cached_input_tokens, row.reasoning_tokens),
            "finish_reason": row.finish_reason,
            "sequence": row.sequence,
            "load_raw_response": lambda: self._raw_response(row, artifacts),
        }
        if self._model is None:
            return TextItemResult(**fields)
        return StructuredItemResult(**fields, output=self._output(stored, self._model))

    def _output(self, stored: StoredResult, model: type[OutputModel]) -> OutputModel | None:
        if stored.row.status is not ItemStatus.COMPLETED:
            return None
        try:
            return model.model_validate_json(stored.row.output_text or "")
        except ValueError as error:
            # It was accepted when it came in: a validator has changed since.
            raise StructuredOutputError(
                f"the stored answer of item {stored.item_id!r} is no {model.__name__} any more: {error}; "
                "restore the class as it was, or read the run's texts with iter_results(typed=False)"
            ) from error

    def _raw_response(self, row: ResultRow, artifacts: dict[int, ArtifactRecord]) -> JsonValue:
        record = artifacts.get(row.raw_artifact_id or 0)
        if record is None or record.state == "pruned" or not row.raw_length:
            return None
        line = self._artifacts.read(record.name, offset=row.raw_offset, length=row.raw_length)
        value: JsonValue = json.loads(line)
        return value


def _metadata(text: str | None) -> JsonObject:
    metadata: JsonObject = json.loads(text) if text else {}
    return metadata
