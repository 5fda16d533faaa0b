"""`results --follow`: it reads while others drive."""

import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any


def test_new_results_come_until_the_run_is_finished(at_emulator: Any, twenty: Path, options: Any) -> None:
    assert at_emulator("start", *options(twenty, "--run-id", "r")).code == 0
    # Without key and server: following only reads.
    following = at_emulator.begin("results", "r", "--follow", env={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""})
    assert at_emulator("wait", "r").code == 0
    stdout, stderr = following.communicate(timeout=30)
    assert following.returncode == 0, stderr
    assert [json.loads(line)["sequence"] for line in stdout.splitlines()] == list(range(1, 21))


def test_a_stopped_follower_says_how_to_go_on_and_that_doubles_nothing(open_run: Any) -> None:
    process = open_run.begin("results", "open-run", "--follow", "--output", "follow.jsonl")
    path = open_run.folder / "follow.jsonl"
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)  # until what is in the file is also noted
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    again = shlex.split(stderr.decode().splitlines()[-1])
    assert again[-3:] == ["--after", "1", "--append"]
    before = path.read_bytes()
    once = open_run(*(part for part in again[1:] if part != "--follow"))
    assert once.document["results"] == 0
    assert path.read_bytes() == before
