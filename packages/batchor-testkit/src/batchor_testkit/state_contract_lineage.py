"""The contract of `LineageStore`."""

import pytest

from batchor_core.domain.lineage import LineageSpan
from batchor_core.errors import RunNotFoundError
from batchor_core.ports.state import StateStore
from batchor_testkit.state_contract_fixtures import StateContract
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import start_run

_SPANS = [
    LineageSpan(2, "a.csv", None, None, 0),
    LineageSpan(5, None),
    LineageSpan(6, "\u00e9 \U0001f600 '; DROP TABLE lineage; --", "outer:inner", "year=2026/part-0.parquet", 5 * 10**9),
    LineageSpan(9, "", "", "", 7),
]


def _starts(store: StateStore, first: int, last: int) -> list[int]:
    with store.reading() as unit:
        return [span.first_index for span in unit.lineage.spans(RUN_ID, first=first, last=last)]


class LineageStoreContract(StateContract):
    @pytest.fixture
    def with_spans(self, store: StateStore) -> StateStore:
        start_run(store)
        with store.transaction() as unit:
            unit.lineage.append(RUN_ID, _SPANS[:3])
            unit.lineage.append(RUN_ID, [])
        with store.transaction() as unit:
            unit.lineage.append(RUN_ID, _SPANS[3:])
        return store

    def test_spans_come_back_as_they_were_stored(self, with_spans: StateStore) -> None:
        with self.reopen(with_spans).reading() as unit:
            assert list(unit.lineage.spans(RUN_ID, first=0, last=100)) == _SPANS

    @pytest.mark.parametrize(
        ("first", "last", "starts"),
        [(0, 2, []), (0, 3, [2]), (2, 3, [2]), (4, 5, [2]), (4, 7, [2, 5, 6]), (5, 6, [5]), (8, 9, [6]), (50, 60, [9])],
    )
    def test_the_spans_of_some_items_are_the_one_that_holds_the_first_and_those_that_begin_among_them(
        self, with_spans: StateStore, first: int, last: int, starts: list[int]
    ) -> None:
        assert _starts(with_spans, first, last) == starts

    def test_a_run_has_no_spans_of_another(self, with_spans: StateStore) -> None:
        start_run(with_spans, run_id="other")
        with with_spans.transaction() as unit:
            unit.lineage.append("other", [LineageSpan(3, "b.csv")])
            assert list(unit.lineage.spans("other", first=0, last=100)) == [LineageSpan(3, "b.csv")]
        assert _starts(with_spans, 0, 100) == [2, 5, 6, 9]

    def test_spans_of_a_transaction_that_failed_are_gone(self, store: StateStore) -> None:
        start_run(store)
        with pytest.raises(RunNotFoundError), store.transaction() as unit:  # noqa: PT012  the one after the other
            unit.lineage.append(RUN_ID, _SPANS)
            unit.lineage.append("no-such-run", _SPANS)
        assert _starts(store, 0, 100) == []
