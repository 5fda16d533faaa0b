import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
