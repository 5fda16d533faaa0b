import gzip
import importlib
import json
import os
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from batchor_core.adapters.csv_source import CsvItemSource
from batchor_core.adapters.jsonl_source import JsonlItemSource
from batchor_core.errors import MissingPackageError, SourceError, SourceRowError

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def installed_zstd() -> Any:
    """None for the core alone; the workspace has it, as its architecture tests assert."""
    try:
        return importlib.import_module(ZSTD)
    except ModuleNotFoundError:
        return None


zstd = installed_zstd()
MIB = 1 << 20
ROWS = b"".join(json.dumps({"id": str(n), "text": os.urandom(40).hex()}).encode() + b"\n" for n in range(20_000))


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 1)


def zstandard(content: bytes) -> bytes:
    compressed: bytes = zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})
    return compressed


CODECS = {"gzip": (".gz", gzipped), "zstd": (".zst", zstandard)}
if zstd is None:
    del CODECS["zstd"]
both = pytest.mark.parametrize(("extension", "compress"), CODECS.values(), ids=CODECS)
type Compress = Callable[[bytes], bytes]


def jsonl(path: Path, content: bytes, **options: Any) -> JsonlItemSource[Any]:
    path.write_bytes(content)
    return JsonlItemSource(
        path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row.get("text"), **options
    )


def ids(source: JsonlItemSource[Any] | CsvItemSource[Any]) -> list[str]:
    return [item.item_id for item in source]


@both
def test_compressed_json_lines_are_read(tmp_path: Path, extension: str, compress: Compress) -> None:
    assert ids(jsonl(tmp_path / f"a.jsonl{extension}", compress(ROWS))) == [str(n) for n in range(20_000)]


@both
def test_compressed_csv_is_read(tmp_path: Path, extension: str, compress: Compress) -> None:
    path = tmp_path / f"a.CSV{extension.upper()}"
    path.write_bytes(compress(b'\xef\xbb\xbfid,text\r\na,"1\r\n1"\r\nb,2'))
    source = CsvItemSource(path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: row["text"])
    assert [(item.item_id, item.payload) for item in source] == [("a", "1\r\n1"), ("b", "2")]


@both
def test_reading_on_begins_behind_the_last_item(tmp_path: Path, extension: str, compress: Compress) -> None:
    source = jsonl(tmp_path / f"a.jsonl{extension}", compress(ROWS))
    with closing(source.open(None)) as cursor:
        list(islice(cursor, 15_000))
        checkpoint = cursor.checkpoint()
    with closing(source.open(checkpoint)) as cursor:
        assert [item.item_id for item in cursor] == [str(n) for n in range(15_000, 20_000)]


@both
def test_a_cursor_reads_a_refused_row_again(tmp_path: Path, extension: str, compress: Compress) -> None:
    # More than a buffer lies between the place of the row and the place to which the file was read.
    content = ROWS + b'{"bad":"' + b"x" * MIB + b'"}\n' + ROWS
    with closing(jsonl(tmp_path / f"a.jsonl{extension}", compress(content)).open(None)) as cursor:
        for _ in range(2):
            with pytest.raises(SourceRowError, match="line 20001"):
                list(cursor)


@both
def test_several_members_are_one_file(tmp_path: Path, extension: str, compress: Compress) -> None:
    content = compress(b'{"id":"a"}\n{"id"') + compress(b"") + compress(b':"b"}\n')
    assert ids(jsonl(tmp_path / f"a.jsonl{extension}", content)) == ["a", "b"]


@both
def test_no_content_has_no_items(tmp_path: Path, extension: str, compress: Compress) -> None:
    assert ids(jsonl(tmp_path / f"a.jsonl{extension}", compress(b""))) == []


@both
@pytest.mark.parametrize("kept", [0.999, 0.5])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, extension: str, compress: Compress, kept: float) -> None:
    content = compress(ROWS)
    source = jsonl(tmp_path / f"a.jsonl{extension}", content[: int(len(content) * kept)])
    with pytest.raises(SourceError, match=r"a\.jsonl\.\w+ was cut off: .*; copy or download it again"):
        ids(source)


@both
def test_rows_before_the_cut_are_read(tmp_path: Path, extension: str, compress: Compress) -> None:
    source = jsonl(tmp_path / f"a.jsonl{extension}", compress(ROWS)[:-10])
    with closing(source.open(None)) as cursor:
        assert [item.item_id for item in islice(cursor, 1_000)] == [str(n) for n in range(1_000)]


@both
def test_a_file_without_a_byte_is_told_as_cut_off(tmp_path: Path, extension: str, compress: Compress) -> None:
    with pytest.raises(SourceError, match="was cut off"):
        ids(jsonl(tmp_path / f"a.jsonl{extension}", b""))


@both
def test_plain_rows_under_a_compressed_name_are_told(tmp_path: Path, extension: str, compress: Compress) -> None:
    with pytest.raises(SourceError, match=rf"is damaged, or no \w+ file .*leave {extension} out of its name"):
        ids(jsonl(tmp_path / f"a.jsonl{extension}", ROWS))


@pytest.mark.parametrize("offset", [0.1, 0.5, 0.9])
@both
def test_damaged_content_is_told(tmp_path: Path, extension: str, compress: Compress, offset: float) -> None:
    content = bytearray(compress(ROWS))
    content[int(len(content) * offset)] ^= 0xFF
    with pytest.raises(SourceError, match=r"a\.jsonl\.\w+"):
        ids(jsonl(tmp_path / f"a.jsonl{extension}", bytes(content)))


def test_a_wrong_checksum_is_told(tmp_path: Path) -> None:
    content = bytearray(gzipped(b'{"id":"a"}\n'))
    content[-5] ^= 0xFF
    with pytest.raises(SourceError, match=r"is damaged, or no gzip file \(CRC check failed"):
        ids(jsonl(tmp_path / "a.jsonl.gz", bytes(content)))


# Bombs


def blank_lines(size_bytes: int) -> bytes:
    """Gzip data of blank lines, about a thousandth of their size."""
    compressor = zlib.compressobj(9, wbits=31)
    piece = (b" " * 65_535 + b"\n") * 16
    return b"".join(compressor.compress(piece) for _ in range(size_bytes // MIB)) + compressor.flush()


def test_a_file_that_expands_without_measure_is_refused(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl.gz", blank_lines(512 * MIB))
    with pytest.raises(
        SourceError, match=r"expands to more than 500 times its size.* decompress it and give the plain"
    ):
        ids(source)


@both
def test_a_small_file_may_expand_as_it_likes(tmp_path: Path, extension: str, compress: Compress) -> None:
    assert ids(
        jsonl(tmp_path / f"a.jsonl{extension}", compress((b" " * 1023 + b"\n") * 1024 * 60 + b'{"id":"a"}\n'))
    ) == ["a"]


@both
def test_a_row_that_expands_beyond_the_limit_is_refused(tmp_path: Path, extension: str, compress: Compress) -> None:
    source = jsonl(tmp_path / f"a.jsonl{extension}", compress(b'{"id":"' + b"x" * 210_000_000 + b'"}\n'))
    with pytest.raises(SourceRowError, match="line 1: is longer than 4194304 bytes"):
        ids(source)


# Identity, and the package for zstd


@both
def test_the_fingerprint_is_of_the_compressed_file(tmp_path: Path, extension: str, compress: Compress) -> None:
    content = compress(ROWS)
    source = jsonl(tmp_path / f"a.jsonl{extension}", content)
    before = source.identity().fingerprint
    assert before.startswith(f"{len(content)}-")
    jsonl(tmp_path / f"a.jsonl{extension}", compress(ROWS.replace(b'"0"', b'"x"')))
    assert source.identity().fingerprint != before


def test_zstd_without_its_package_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, ZSTD, None)
    with pytest.raises(MissingPackageError, match=r"pip install 'batchor-core\[zstd\]'"):
        jsonl(tmp_path / "a.jsonl.zst", b"")


def test_plain_files_need_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, ZSTD, None)
    assert ids(jsonl(tmp_path / "a.jsonl", b'{"id":"a"}\n')) == ["a"]
