"""What every checkpointed source promises: the port `batchor_core.ports.sources`, as tests.

```python
class TestJsonlSource(CheckpointedSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> JsonlItemSource[str]:
        ...

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        ...
```
"""

import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchor_core.domain.item import BatchItem
from batchor_core.domain.lineage import LINEAGE_KEY, Lineage, with_lineage
from batchor_core.errors import SourceError
from batchor_core.json_types import JsonValue
from batchor_core.ports.sources import (
    CheckpointedItemSource,
    ItemStretch,
    SourceIdentity,
    StretchCursor,
    describe_change,
)

type Source = CheckpointedItemSource[Any]

FOREIGN_CHECKPOINTS: tuple[JsonValue, ...] = ("text", 7, [], [1, 2], {}, {"foreign": 1})
_EVERY_PLACE_UP_TO = 200


class CheckpointedSourceContract:
    """Derive, and give the fixtures `source` and `expected_ids`: at least three ids, in the source's order.

    Override `reopen` to make the source anew, as another process does.
    """

    @pytest.fixture
    def reopen(self, source: Source) -> Callable[[], Source]:
        return lambda: source

    def test_it_is_a_checkpointed_source(self, source: Source) -> None:
        assert isinstance(source, CheckpointedItemSource)

    def test_it_yields_the_items_in_order(self, source: Source, expected_ids: list[str]) -> None:
        assert [item.item_id for item in source] == expected_ids

    def test_it_can_be_iterated_again(self, source: Source) -> None:
        assert list(source) == list(source)

    def test_a_cursor_without_a_checkpoint_begins_at_the_beginning(self, source: Source) -> None:
        assert take(source, None)[0] == list(source)

    def test_every_checkpoint_leads_right_behind_its_item(self, source: Source, reopen: Callable[[], Source]) -> None:
        items = list(source)
        places = range(len(items) + 1)[:_EVERY_PLACE_UP_TO]
        for place in places:
            head, checkpoint = take(source, None, limit=place)
            tail, _ = take(reopen(), checkpoint)
            assert head + tail == items

    # Sources keep no state between cursors, and deriving classes run this on their own instances.
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(data=st.data())
    def test_any_chain_of_stops_yields_each_item_once(
        self, source: Source, reopen: Callable[[], Source], data: st.DataObject
    ) -> None:
        items = list(source)
        read: list[BatchItem[Any]] = []
        checkpoint: JsonValue = None
        while len(read) < len(items):
            # Steps of 0 prove that opening alone moves nothing.
            step = data.draw(st.integers(0, len(items)), label="items until the next stop")
            piece, checkpoint = take(reopen(), checkpoint, limit=step)
            read += piece
            read += (last := take(reopen(), checkpoint, limit=1))[0]
            checkpoint = last[1]
        assert read == items

    def test_a_checkpoint_at_the_end_leads_to_nothing(self, source: Source, reopen: Callable[[], Source]) -> None:
        _, checkpoint = take(source, None)
        assert take(reopen(), checkpoint)[0] == []

    def test_checkpoints_are_json(self, source: Source) -> None:
        for limit in (0, 1, None):
            cursor = source.open(None)
            list(islice(cursor, limit))
            checkpoint = cursor.checkpoint()
            cursor.close()
            assert json.loads(json.dumps(checkpoint, allow_nan=False)) == checkpoint

    def test_taking_a_checkpoint_moves_nothing(self, source: Source, expected_ids: list[str]) -> None:
        cursor = source.open(None)
        rows = iter(cursor)
        ids = []
        for item in rows:
            ids.append(item.item_id)
            assert cursor.checkpoint() == cursor.checkpoint()
        cursor.close()
        assert ids == expected_ids

    def test_a_cursor_goes_on_where_its_last_iteration_stopped(self, source: Source, expected_ids: list[str]) -> None:
        cursor = source.open(None)
        first = next(iter(cursor))
        rest = list(cursor)
        cursor.close()
        assert [item.item_id for item in [first, *rest]] == expected_ids

    @pytest.mark.parametrize("limit", [1, 2, 3, 1_000])
    def test_stretches_have_the_items_in_order(self, source: Source, limit: int) -> None:
        stretches = taken(source, limit)
        assert all(0 < len(stretch.items) <= limit for stretch, _ in stretches)
        assert [item for stretch, _ in stretches for item in stretch.items] == list(source)

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_a_checkpoint_leads_right_behind_a_stretch(
        self, source: Source, reopen: Callable[[], Source], limit: int
    ) -> None:
        items, behind = list(source), 0
        for stretch, checkpoint in taken(source, limit)[:_EVERY_PLACE_UP_TO]:
            behind += len(stretch.items)
            assert take(reopen(), checkpoint)[0] == items[behind:]

    def test_a_stretch_that_tells_lineage_tells_all_the_metadata_of_its_items(self, source: Source) -> None:
        told = [stretch for stretch, _ in taken(source, 3) if stretch.lineage is not None]
        for items, lineage, own in told:
            assert lineage is not None
            for ahead, (item, beside) in enumerate(zip(items, own or [{}] * len(items), strict=True)):
                neighbour = lineage.of_neighbour(lineage.source_item_index + ahead, item.item_id)
                assert item.metadata == with_lineage(beside, neighbour)

    def test_an_iteration_goes_on_behind_a_stretch(self, source: Source, expected_ids: list[str]) -> None:
        cursor = source.open(None)
        first = cursor.take(2).items if isinstance(cursor, StretchCursor) else [next(iter(cursor))]
        rest = list(cursor)
        cursor.close()
        assert [item.item_id for item in [*first, *rest]] == expected_ids

    def test_two_cursors_are_independent(self, source: Source, expected_ids: list[str]) -> None:
        one, other = source.open(None), source.open(None)
        one_rows, other_rows = iter(one), iter(other)
        ids = [next(rows).item_id for rows in (one_rows, one_rows, other_rows, one_rows)]
        assert ids == [*expected_ids[:2], expected_ids[0], expected_ids[2]]
        one.close()
        assert [item.item_id for item in other_rows] == expected_ids[1:]
        other.close()

    def test_closing_twice_does_nothing_more(self, source: Source) -> None:
        cursor = source.open(None)
        next(iter(cursor))
        cursor.close()
        cursor.close()

    def test_the_identity_is_stable(self, source: Source, reopen: Callable[[], Source]) -> None:
        before = source.identity()
        list(source)
        assert source.identity() == before
        assert reopen().identity() == before

    def test_the_identity_is_json(self, source: Source) -> None:
        identity = source.identity().to_json()
        assert json.loads(json.dumps(identity)) == identity

    def test_a_change_is_told_in_words(self, source: Source) -> None:
        stored = SourceIdentity("elsewhere", "another input", "another fingerprint")
        assert "another input" in describe_change(source, stored)

    def test_lineage_where_it_is_told_is_whole(self, source: Source) -> None:
        lineage = [item.metadata[LINEAGE_KEY] for item in source if LINEAGE_KEY in item.metadata]
        assert all(isinstance(each, Mapping) and set(each) == set(Lineage._fields) for each in lineage)

    @pytest.mark.parametrize("checkpoint", FOREIGN_CHECKPOINTS, ids=json.dumps)
    def test_a_checkpoint_of_something_else_is_refused(self, source: Source, checkpoint: JsonValue) -> None:
        with pytest.raises(SourceError):
            source.open(checkpoint)


def taken(source: Source, limit: int) -> list[tuple[ItemStretch[Any], JsonValue]]:
    """The stretches of a source, each with the checkpoint behind it; of a cursor that gives none, item by item."""
    cursor, stretches = source.open(None), list[tuple[ItemStretch[Any], JsonValue]]()
    if isinstance(cursor, StretchCursor):
        while (stretch := cursor.take(limit)).items:
            stretches.append((stretch, cursor.checkpoint()))
    else:
        stretches += [(ItemStretch((item,)), cursor.checkpoint()) for item in cursor]
    cursor.close()
    return stretches


def take(source: Source, checkpoint: JsonValue, *, limit: int | None = None) -> tuple[list[BatchItem[Any]], JsonValue]:
    """Up to *limit* items behind *checkpoint*, and the checkpoint behind them as it comes back from a database."""
    cursor = source.open(checkpoint)
    try:
        items = list(islice(cursor, limit))
        return items, json.loads(json.dumps(cursor.checkpoint()))
    finally:
        cursor.close()
