"""Two million rows: how much is held in memory, and how much is read to read on."""

import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.compute import call_function

from batchor_parquet import ParquetItemSource

ROWS = 2_000_000
GROUP_ROWS = 100_000
IO_COUNTERS = Path("/proc/self/io")

# The peak of this process alone: `ru_maxrss` begins with that of the process which started it.
READ_MANY = """
import sys
from itertools import islice
from pathlib import Path
from batchor_parquet import ParquetItemSource

def peak_kib():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

source = ParquetItemSource(
    sys.argv[1], columns=["id", "text"], item_id_from_row=lambda row: str(row["id"]), payload_from_row=lambda row: row["text"]
)
before = peak_kib()
count = sum(1 for _ in islice(source, 500_000))
print(count, peak_kib() - before)
"""
on_linux = pytest.mark.skipif(not IO_COUNTERS.exists(), reason="the system tells neither reads nor peaks of a process")


def write(path: Path, *, row_group_size: int) -> Path:
    numbers = pa.array(range(ROWS))
    text = call_function("binary_join_element_wise", ["a row of text, number", numbers.cast(pa.string()), " "])
    pq.write_table(pa.table({"id": numbers, "text": text}), path, row_group_size=row_group_size)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("large") / "rows.parquet", row_group_size=GROUP_ROWS)


def source(path: Path) -> ParquetItemSource[Any]:
    return ParquetItemSource(
        path, columns=["id", "text"], item_id_from_row=lambda row: str(row["id"]), payload_from_row=lambda row: row
    )


def read_bytes() -> int:
    return int(IO_COUNTERS.read_text().split()[1])


def bytes_for_a_thousand(path: Path, checkpoint: Any) -> tuple[list[str], int]:
    before = read_bytes()
    with closing(source(path).open(checkpoint)) as cursor:
        ids = [item.item_id for item in islice(cursor, 1_000)]
    return ids, read_bytes() - before


def place(path: Path, row: int) -> dict[str, Any]:
    group, within = divmod(row, GROUP_ROWS)
    return {"kind": "parquet", "file": 0, "name": path.name, "row_group": group, "row": within, "items": row}


@on_linux
@pytest.mark.parametrize("row", [GROUP_ROWS - 1_000, ROWS // 2 + 50_000, ROWS - 1_000])
def test_reading_on_reads_no_more_than_one_row_group(path: Path, row: int) -> None:
    first_ids, first_bytes = bytes_for_a_thousand(path, None)
    ids, resumed_bytes = bytes_for_a_thousand(path, place(path, row))
    assert first_ids == [str(n) for n in range(1_000)]
    assert ids == [str(n) for n in range(row, row + 1_000)]
    # Behind rows of the same row group, which are decoded again; the file has twenty of them.
    assert resumed_bytes <= 1.5 * first_bytes < path.stat().st_size / 10


@on_linux
def test_reading_on_at_a_late_row_group_reads_what_the_first_rows_take(path: Path) -> None:
    _, first_bytes = bytes_for_a_thousand(path, place(path, GROUP_ROWS))
    _, last_bytes = bytes_for_a_thousand(path, place(path, ROWS - GROUP_ROWS))
    assert last_bytes <= 1.1 * first_bytes


@on_linux
def test_a_row_group_of_two_million_rows_is_read_in_little_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", row_group_size=ROWS)
    child = subprocess.run([sys.executable, "-c", READ_MANY, str(path)], capture_output=True, text=True, check=True)
    count, extra_kib = map(int, child.stdout.split())
    assert count == 500_000
    assert extra_kib < 60_000


@on_linux
def test_a_small_file_that_swells_is_read_in_little_memory(tmp_path: Path) -> None:
    # One text of 1 MiB, six hundred times: 600 MB from a file of some KB.
    path = tmp_path / "rows.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 600, pa.int32()), ["x" * (1 << 20)])
    pq.write_table(pa.table({"id": list(range(600)), "text": column}), path)
    child = subprocess.run([sys.executable, "-c", READ_MANY, str(path)], capture_output=True, text=True, check=True)
    count, extra_kib = map(int, child.stdout.split())
    assert count == 600
    assert extra_kib < 450_000
