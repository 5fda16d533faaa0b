"""Memory that big files take on their way over HTTP. Arguments: the server, a folder, MB a file, how many at once."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batchor_openai import OpenAIBatchClient, OpenAIProviderConfig
from benchmarks.meter import peak_rss_mb
from benchmarks.workload import MODEL

_MB = 10**6
_LINE = b'{"custom_id": "' + b"x" * 984 + b"\n"


class CountingSink:
    """Takes what is downloaded, and keeps nothing."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self.size += len(data)
        return len(data)

    def sync(self) -> int:
        return self.size


def main(base_url: str, folder: Path, megabytes: int, parallel: int) -> None:
    client = OpenAIBatchClient(OpenAIProviderConfig(model=MODEL, api_key="measured", base_url=base_url))
    with tempfile.TemporaryDirectory(dir=folder) as temporary, ThreadPoolExecutor(parallel) as pool:
        small, large = _file(Path(temporary, "small.jsonl"), 1), _file(Path(temporary, "large.jsonl"), megabytes)
        # Once before it counts: what the first call loads is no cost of a large file.
        _download(client, _upload(client, small))
        file_ids: list[str] = []
        uploading = _measured(lambda: file_ids.extend(pool.map(lambda _: _upload(client, large), range(parallel))))
        downloading = _measured(lambda: list(pool.map(lambda file_id: _download(client, file_id), file_ids)))
    client.close()
    json.dump(
        {
            "upload_mb": uploading[0],
            "upload_cpu_s": uploading[1],
            "download_mb": downloading[0],
            "download_cpu_s": downloading[1],
        },
        sys.stdout,
    )


def _file(path: Path, megabytes: int) -> Path:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(_LINE * (_MB // len(_LINE)))
    return path


def _upload(client: OpenAIBatchClient, path: Path) -> str:
    with path.open("rb") as content:
        return client.upload(content, name=path.name)


def _download(client: OpenAIBatchClient, file_id: str) -> int:
    return client.download(file_id, CountingSink(), max_bytes=1 << 33)


def _measured(step: Callable[[], object]) -> tuple[float, float]:
    """The MB by which memory rose, at its highest, and the CPU seconds."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew with what is held now
    before_mb, before_s = peak_rss_mb(), time.process_time()
    step()
    return peak_rss_mb() - before_mb, time.process_time() - before_s


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
