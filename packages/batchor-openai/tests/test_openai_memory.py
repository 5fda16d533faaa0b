"""Files of any size go through in bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from batchor_emulator import EmulatorProcess

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

FILE_BYTES = 100_000_000
ALLOWED_MB = 20

CHILD = """
import sys
from batchor_openai import OpenAIBatchClient, OpenAIProviderConfig

def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

class CountingSink:
    def __init__(self):
        self.size = 0
    def write(self, data):
        self.size += len(data)
        return len(data)
    def sync(self):
        return self.size

client = OpenAIBatchClient(OpenAIProviderConfig(model="m", api_key="sk-test", base_url=sys.argv[1]))
with open(sys.argv[3], "rb") as small:
    client.download(client.upload(small, name="small.jsonl"), CountingSink(), max_bytes=10**9)
before = peak_mb()
with open(sys.argv[2], "rb") as large:
    file_id = client.upload(large, name="large.jsonl")
uploaded = peak_mb()
sink = CountingSink()
client.download(file_id, sink, max_bytes=10**9)
print(sink.size, uploaded - before, peak_mb() - before)
client.close()
"""


def test_a_file_of_100_mb_goes_up_and_down_in_20_mb(tmp_path: Path) -> None:
    large, small = tmp_path / "large.jsonl", tmp_path / "small.jsonl"
    line = b'{"custom_id": "' + b"x" * 984 + b"\n"
    small.write_bytes(line)
    with large.open("wb") as content:
        for _ in range(FILE_BYTES // 1_000_000):
            content.write(line * 1_000)
    with EmulatorProcess(state_dir=tmp_path / "emulator") as emulator:
        child = subprocess.run(
            [sys.executable, "-c", CHILD, emulator.base_url, str(large), str(small)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert child.returncode == 0, child.stderr
    size, upload_mb, both_mb = child.stdout.split()
    assert int(size) == FILE_BYTES
    assert float(upload_mb) < ALLOWED_MB
    assert float(both_mb) < ALLOWED_MB
