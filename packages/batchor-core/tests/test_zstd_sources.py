import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.errors import SourceError

zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def ids(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    source = JsonlItemSource(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row)
    return [item.item_id for item in source]


def test_zstd_that_asks_for_more_memory_than_128_mib_is_refused(tmp_path: Path) -> None:
    options = {zstd.CompressionParameter.window_log: 30, zstd.CompressionParameter.enable_long_distance_matching: 1}
    compressor = zstd.ZstdCompressor(options=options)
    content = compressor.compress(b'{"id":"a"}\n') + compressor.flush()
    with pytest.raises(SourceError, match=r"no zstd file \(.*memory"):
        ids(tmp_path / "a.jsonl.zst", content)


def test_zstd_skippable_frames_are_skipped(tmp_path: Path) -> None:
    skippable = (0x184D2A50).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"noise"
    assert ids(tmp_path / "a.jsonl.zst", zstd.compress(b'{"id":"a"}\n') + skippable) == ["a"]
