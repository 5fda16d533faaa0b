import csv
import gzip
import importlib
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from batchor_core.adapters.composite_source import CompositeItemSource
from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.application.iterable_source import IterableItemSource
from batchor_core.domain.item import BatchItem
from batchor_testkit.source_contract import CheckpointedSourceContract

IDS = [*map(str, range(20)), "a/b", "..", 'quo"ted', "emoji 🙂", "עברית", "line\u2028separator"]


def jsonl_source(path: Path) -> JsonlItemSource[dict[str, Any]]:
    return JsonlItemSource(
        path,
        item_id_from_row=lambda row: row["id"],
        payload_from_row=lambda row: row,
        metadata_from_row=lambda row: {"length": len(row["id"])},
    )


def jsonl_lines() -> list[bytes]:
    return [json.dumps({"id": item_id, "text": "x" * n}, ensure_ascii=False).encode() for n, item_id in enumerate(IDS)]


class JsonlContract(CheckpointedSourceContract):
    content = b""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "items.jsonl"
        path.write_bytes(self.content)
        return path

    @pytest.fixture
    def source(self, path: Path) -> JsonlItemSource[dict[str, Any]]:
        return jsonl_source(path)

    @pytest.fixture
    def reopen(self, path: Path) -> Callable[[], JsonlItemSource[dict[str, Any]]]:
        return lambda: jsonl_source(path)

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        return IDS


class TestPlainJsonl(JsonlContract):
    content = b"\n".join(jsonl_lines()) + b"\n"


class TestJsonlFromWindows(JsonlContract):
    content = b"\xef\xbb\xbf" + b"\r\n".join(jsonl_lines())


class TestJsonlWithBlankLines(JsonlContract):
    content = b"\n\n" + b"\n \t\n\r\n".join(jsonl_lines()) + b"\n\n\n"


class TestGzippedJsonl(JsonlContract):
    content = gzip.compress(b"\n".join(jsonl_lines()))

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "items.jsonl.gz"
        path.write_bytes(self.content)
        return path


class TestZstandardJsonl(JsonlContract):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
        path = tmp_path / "items.jsonl.zst"
        path.write_bytes(zstd.compress(b"\n".join(jsonl_lines())))
        return path


def csv_source(path: Path) -> CsvItemSource[dict[str, str]]:
    return CsvItemSource(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)


class CsvContract(CheckpointedSourceContract):
    name = "items.csv"
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / self.name
        written = io.StringIO(newline="")
        writer = csv.writer(written, **self.options)
        writer.writerows([["id", "text"], *([item_id, 'x,\n"' * n] for n, item_id in enumerate(IDS))])
        content = written.getvalue().encode()
        path.write_bytes(gzip.compress(content) if self.name.endswith(".gz") else content)
        return path

    @pytest.fixture
    def source(self, path: Path) -> CsvItemSource[dict[str, str]]:
        return csv_source(path)

    @pytest.fixture
    def reopen(self, path: Path) -> Callable[[], CsvItemSource[dict[str, str]]]:
        return lambda: csv_source(path)

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        return IDS


class TestPlainCsv(CsvContract):
    pass


class TestCsvOfUnix(CsvContract):
    options: ClassVar[Mapping[str, Any]] = {"lineterminator": "\n", "quoting": csv.QUOTE_ALL}


class TestCsvWithBlankLines(CsvContract):
    options: ClassVar[Mapping[str, Any]] = {"lineterminator": "\r\n\n"}


class TestGzippedCsv(CsvContract):
    name = "items.csv.gz"


class TestComposite(CheckpointedSourceContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], CompositeItemSource]:
        lines, empty = tmp_path / "items.jsonl", tmp_path / "empty.csv"
        lines.write_bytes(b"\n".join(jsonl_lines()))
        empty.touch()
        return lambda: CompositeItemSource(
            [jsonl_source(lines), csv_source(empty), CompositeItemSource([iterable_source()]), csv_source(empty)]
        )

    @pytest.fixture
    def source(self, reopen: Callable[[], CompositeItemSource]) -> CompositeItemSource:
        return reopen()

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        return [f"s0:{item_id}" for item_id in IDS] + [f"s2:s0:{item_id}" for item_id in IDS]


class TestIterable(CheckpointedSourceContract):
    @pytest.fixture
    def source(self) -> IterableItemSource[int]:
        return iterable_source()

    @pytest.fixture
    def reopen(self) -> Callable[[], IterableItemSource[int]]:
        return iterable_source

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        return IDS


def iterable_source() -> IterableItemSource[int]:
    return IterableItemSource([BatchItem(item_id, n, {"n": n}) for n, item_id in enumerate(IDS)])
