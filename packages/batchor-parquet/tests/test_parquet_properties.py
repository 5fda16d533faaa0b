import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchor_parquet import ParquetItemSource


@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=4),
    stops=st.lists(st.integers(0, 40), max_size=3),
)
def test_reading_on_from_any_checkpoints_is_reading_through(
    files: list[tuple[int, int]], stops: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    first = 0
    for number, (rows, row_group_size) in enumerate(files):
        table = pa.table({"id": pa.array(range(first, first + rows), pa.int64())})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=row_group_size)
        first += rows
    source = ParquetItemSource(
        folder, columns=["id"], item_id_from_row=lambda row: str(row["id"]), payload_from_row=lambda row: row
    )
    read, checkpoint = [], None
    for stop in [*stops, first + 1]:
        cursor = source.open(checkpoint)
        for _, item in zip(range(stop), cursor, strict=False):
            read.append(item)
        checkpoint = cursor.checkpoint()
        cursor.close()
    assert read == list(source)
