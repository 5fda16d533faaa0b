"""One run over JSON Lines, CSV, gzip and Parquet, 5,000 rows, and its results in every format."""

import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CARRIED = ("species", "cost_usd")


@dataclass(frozen=True)
class Mixed:
    """A finished run, what it was given, and the command in its folder."""

    batchor: Any
    rows: list[dict[str, Any]]
    """In the order of the inputs."""
    finished: Any

    def results(self, *arguments: str) -> Any:
        done = self.batchor("results", "mixed", "--sandbox", *arguments)
        assert done.code == 0, done.stderr
        return done

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.batchor.folder / name).open(newline="") as file:
            return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def mixed(strikes: Path, command_line: Any, tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    batchor = command_line(tmp_path_factory.mktemp("mixed"))
    rows = [json.loads(line) for line in strikes.read_bytes().splitlines()]
    quarters = [rows[start : start + 1_250] for start in range(0, 5_000, 1_250)]
    files = [write_jsonl, write_csv, write_gzip, write_parquet]
    inputs = [write(batchor.folder, part) for write, part in zip(files, quarters, strict=True)]
    arguments = [part for path in inputs for part in ("--input", path)]
    arguments += [part for name in CARRIED for part in ("--carry", name)]
    finished = batchor(
        "run", "--sandbox", *arguments, "--id-field", "id", "--prompt-template", "{aircraft} met {species}",
        "--model", "gpt-4.1", "--max-requests", "2000", "--run-id", "mixed", "--format", "csv",
    )  # fmt: skip
    return Mixed(batchor, rows, finished)


def write_jsonl(folder: Path, rows: list[dict[str, Any]]) -> str:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "a.jsonl"


def write_csv(folder: Path, rows: list[dict[str, Any]]) -> str:
    with (folder / "b.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return "b.csv"


def write_gzip(folder: Path, rows: list[dict[str, Any]]) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return "c.jsonl.gz"


def write_parquet(folder: Path, rows: list[dict[str, Any]]) -> str:
    pq.write_table(pa.Table.from_pylist(rows), folder / "d.parquet")
    return "d.parquet"


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [f"s{number // 1_250}:{row['id']}" for number, row in enumerate(rows)]


def test_every_row_of_every_file_is_answered(mixed: Mixed) -> None:
    assert mixed.finished.code == 0, mixed.finished.stderr
    assert mixed.finished.document["counts"]["completed"] == 5_000
    assert mixed.finished.document["output"] == "results.csv"


def test_the_table_has_the_rows_in_the_order_of_the_files(mixed: Mixed) -> None:
    assert [row["item_id"] for row in mixed.table("results.csv")] == ids(mixed.rows)


def test_carried_fields_are_columns(mixed: Mixed) -> None:
    carried = [tuple(row[name] for name in CARRIED) for row in mixed.table("results.csv")]
    assert carried == [tuple(str(row[name]) for name in CARRIED) for row in mixed.rows]


def test_carried_fields_are_metadata_beside_the_lineage(mixed: Mixed) -> None:
    first = mixed.results().lines[0]
    lineage = first["metadata"]["batchor_lineage"]
    assert {name: first["metadata"][name] for name in CARRIED} == {name: mixed.rows[0][name] for name in CARRIED}
    assert (lineage["source_ref"], lineage["source_primary_key"]) == ("a.jsonl", mixed.rows[0]["id"])


def test_the_ending_of_the_output_tells_the_format(mixed: Mixed) -> None:
    written = mixed.results("--output", "again.csv")
    assert written.document == {"run_id": "mixed", "output": "again.csv", "results": 5_000}
    assert (mixed.batchor.folder / "again.csv").read_bytes() == (mixed.batchor.folder / "results.csv").read_bytes()


def test_parquet_has_a_row_for_each_result(mixed: Mixed) -> None:
    assert mixed.results("--output", "out.parquet").document["results"] == 5_000
    table = pq.read_table(mixed.batchor.folder / "out.parquet")
    assert table["item_id"].to_pylist() == ids(mixed.rows)
    assert json.loads(table["metadata"][4_999].as_py())["species"] == mixed.rows[4_999]["species"]


def test_parquet_does_not_go_to_stdout(mixed: Mixed) -> None:
    refused = mixed.batchor("results", "mixed", "--sandbox", "--format", "parquet")
    assert (refused.code, refused.stdout) == (2, "")
    assert "give one as --output" in refused.stderr


def test_pages_in_the_order_of_completion_make_the_whole(mixed: Mixed) -> None:
    first = mixed.results("--limit", "3000", "--output", "pages.jsonl")
    assert first.document["next_after"] == 3_000
    rest = mixed.results("--append", "--output", "pages.jsonl")
    assert (rest.document["results"], rest.document["next_after"]) == (2_000, 5_000)
    lines = [json.loads(line) for line in (mixed.batchor.folder / "pages.jsonl").read_bytes().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, 5_001))
    assert {line["item_id"] for line in lines} == set(ids(mixed.rows))


def test_a_page_on_stdout_says_where_the_next_begins(mixed: Mixed) -> None:
    page = mixed.results("--after", "4990", "--limit", "4")
    assert [line["sequence"] for line in page.lines] == [4_991, 4_992, 4_993, 4_994]
    assert "--after 4994" in page.stderr


def test_another_template_for_a_stored_run_is_refused(mixed: Mixed) -> None:
    other = mixed.batchor(
        "start", "--sandbox", "--input", "a.jsonl", "--id-field", "id", "--prompt-field", "species",
        "--model", "gpt-4.1", "--max-requests", "2000", "--run-id", "mixed",
    )  # fmt: skip
    assert other.code == 4
    assert "prompt_template" in other.stderr
