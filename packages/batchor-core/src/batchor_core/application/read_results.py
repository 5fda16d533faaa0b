"""Read: stored results become what users see, page by page."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import batched
from operator import itemgetter

from batchor_core.application.output_model import parser_of
from batchor_core.application.result_lines import result_lines
from batchor_core.domain.job import OutputModel
from batchor_core.domain.lineage import LineageSpan
from batchor_core.domain.results import ResultRow, StoredFields, StoredResult, StructuredItemResult, TextItemResult
from batchor_core.domain.told_lineage import ToldLineage
from batchor_core.errors import StructuredOutputError
from batchor_core.json_types import JsonValue
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import StateStore, UnitOfWork
from batchor_core.ports.state_records import ArtifactRecord

PAGE_ROWS = 1_000
_LINES_AT_ONCE = 100
"""Texts of some hundred kilobytes take the allocator, and the caches, a third longer."""
_index_of: Callable[[StoredFields], int] = itemgetter(StoredResult._fields.index("item_index"))


class ResultReader:
    """Reads one run's results in bounded memory. *model*: the class of structured answers, None for text."""

    def __init__(
        self, run_id: str, *, store: StateStore, artifacts: ArtifactStore, model: type[OutputModel] | None
    ) -> None:
        self._run_id = run_id
        self._store = store
        self._artifacts = artifacts
        self._structured = None if model is None else _structured_by(model)

    def in_input_order(self) -> Iterator[TextItemResult]:
        """Every result so far, by the item's place in the input."""
        for page in self.stored_in_input_order():
            yield from self._built(page)

    def in_completion_order(self) -> Iterator[TextItemResult]:
        """Every result so far, in the order in which they ended."""
        for page in self.stored_in_completion_order():
            yield from self._built(page)

    def pages_in_input_order(self) -> Iterator[Sequence[StoredResult]]:
        """Every result so far, as it is stored, its lineage in its metadata."""
        return (page.told() for page in self.stored_in_input_order())

    def pages_in_completion_order(
        self, *, after: int = 0, limit: int | None = None
    ) -> Iterator[Sequence[StoredResult]]:
        """Up to *limit* results so far with a sequence > *after*, as they are stored, their lineage in their metadata."""
        return (page.told() for page in self.stored_in_completion_order(after=after, limit=limit))

    def by_sequence(self, *, after: int, limit: int) -> Sequence[StoredResult]:
        return self._by_sequence(after=after, limit=limit).told()

    def built(self, page: Sequence[StoredResult]) -> list[TextItemResult]:
        """The results of one page as users see them, with access to their raw lines."""
        return list(self._built(ResultPage(self._run_id, page, (), store=self._store, artifacts=self._artifacts)))

    def stored_in_input_order(self) -> Iterator["ResultPage"]:
        """Every result so far, as it is stored, its lineage beside it."""
        first = 0
        while (page := self._by_index(first=first)).results:
            yield page
            first = page.last.item_index + 1

    def stored_in_completion_order(self, *, after: int = 0, limit: int | None = None) -> Iterator["ResultPage"]:
        """Up to *limit* results so far with a sequence > *after*, as they are stored, their lineage beside them."""
        left = limit
        while left is None or left > 0:
            page = self._by_sequence(after=after, limit=PAGE_ROWS if left is None else min(left, PAGE_ROWS))
            if not page.results:
                return
            yield page
            after = page.last.sequence
            left = None if left is None else left - len(page.results)

    def _built(self, page: "ResultPage") -> Iterator[TextItemResult]:
        if self._structured is None:
            return TextItemResult.of_stored(page.results, page)
        return self._structured(page)

    def _by_index(self, *, first: int) -> "ResultPage":
        return self._page(lambda uow: uow.results.by_index(self._run_id, first=first, limit=PAGE_ROWS))

    def _by_sequence(self, *, after: int, limit: int) -> "ResultPage":
        return self._page(lambda uow: uow.results.by_sequence(self._run_id, after=after, limit=limit))

    def _page(self, read: Callable[[UnitOfWork], Sequence[StoredFields]]) -> "ResultPage":
        """One page of results and the lineage of their items: all that is read goes through here."""
        with self._store.reading() as uow:
            results = read(uow)
            spans = self._spans_of(results, uow) if results else ()
        return ResultPage(self._run_id, results, spans, store=self._store, artifacts=self._artifacts)

    def _spans_of(self, results: Sequence[StoredFields], uow: UnitOfWork) -> Sequence[LineageSpan]:
        indexes = list(map(_index_of, results))
        return uow.lineage.spans(self._run_id, first=min(indexes), last=max(indexes) + 1)


class ResultPage:
    """Some results as they are stored, and what is looked up for those of them of which it is asked."""

    def __init__(
        self,
        run_id: str,
        results: Sequence[StoredFields],
        spans: Sequence[LineageSpan],
        *,
        store: StateStore,
        artifacts: ArtifactStore,
    ) -> None:
        self.results = results
        self._lineage = ToldLineage(spans)
        self._store = store
        self._artifacts = artifacts
        self._run_id = run_id
        self._rows: dict[int, ResultRow] | None = None
        self._records: dict[int, ArtifactRecord | None] = {}

    @property
    def last(self) -> StoredResult:
        """The last of the results, of which there must be some."""
        return StoredResult(*self.results[-1])

    def told(self) -> Sequence[StoredResult]:
        """The results with their lineage in their metadata."""
        told = self._lineage.metadata
        return [
            StoredResult._make((item_id, told(metadata, item_id, index), index, *rest))
            for item_id, metadata, index, *rest in self.results
        ]

    def lines(self, *, structured: bool, sequenced: bool) -> Iterator[bytes]:
        """The results as `result_lines`, their lineage in their metadata, in pieces of whole lines."""
        for some in batched(self.results, _LINES_AT_ONCE):
            yield result_lines(some, structured=structured, sequenced=sequenced, lineage=self._lineage)

    def metadata(self, stored: StoredResult) -> str | None:
        return self._lineage.metadata(stored.metadata, stored.item_id, stored.item_index)

    def raw_line(self, stored: StoredResult) -> JsonValue:
        row = self._row(stored)
        record = None if row is None else self._record(row.raw_artifact_id)
        if row is None or record is None or record.state == "pruned" or not row.raw_length:
            return None
        line = self._artifacts.read(record.name, offset=row.raw_offset, length=row.raw_length)
        value: JsonValue = json.loads(line)
        return value

    def _row(self, stored: StoredResult) -> ResultRow | None:
        """The result whole, None where it was withdrawn since; all of the page are read when the first is asked for."""
        if self._rows is None:
            indexes = list(map(_index_of, self.results))
            with self._store.reading() as uow:
                self._rows = {row.item_index: row for row in uow.results.get(self._run_id, indexes)}
        return self._rows.get(stored.item_index)

    def _record(self, artifact_id: int | None) -> ArtifactRecord | None:
        if artifact_id is None:
            return None
        if artifact_id not in self._records:
            with self._store.reading() as uow:
                self._records[artifact_id] = next(iter(uow.artifacts.get([artifact_id])), None)
        return self._records[artifact_id]


def _structured_by(model: type[OutputModel]) -> Callable[[ResultPage], Iterator[TextItemResult]]:
    """What makes the structured results of a page."""
    parse = parser_of(model)

    def structured(page: ResultPage) -> Iterator[TextItemResult]:
        for result in StructuredItemResult[OutputModel].of_stored(page.results, page):
            try:
                result.output = None if result.error is not None else parse(result.output_text or "")
            except ValueError as error:
                # It was accepted when it came in: a validator has changed since.
                raise StructuredOutputError(
                    f"the stored answer of item {result.item_id!r} is no {model.__name__} any more: {error}; "
                    "restore the class as it was, or read the run's texts with iter_results(typed=False)"
                ) from error
            yield result

    return structured
