"""On a terminal: a bar, a table, and nothing that data could command."""

import json
import os
import pty
from pathlib import Path
from typing import Any

from batchor_cli.terminal import printable


def test_control_characters_are_escaped_as_json_does() -> None:
    assert printable("a\x1b[2Jb\x9b\u202e\x7f\nc é 鳥") == "a\\u001b[2Jb\\u009b\\u202e\\u007f\nc é 鳥"


def test_a_run_shows_a_bar_on_stderr_and_leaves_stdout_to_json(at_emulator: Any, twenty: Path, options: Any) -> None:
    terminal = Terminal()
    process = at_emulator.begin("run", *options(twenty), stderr=terminal.end)
    shown = terminal.read()
    stdout, _ = process.communicate(timeout=30)
    assert "20/20" in shown
    assert stdout.startswith(b'{"run_id"')
    assert b"\x1b" not in stdout


def test_status_is_a_table_on_a_terminal(open_run: Any) -> None:
    shown = shown_by(open_run, "status", "open-run")
    assert "0 of 21 items completed (0 %), 1 failed" in shown
    assert "prompt_failed 1" in shown


def test_status_is_json_on_a_terminal_on_demand(open_run: Any) -> None:
    assert json.loads(shown_by(open_run, "status", "open-run", "--json"))["run_id"] == "open-run"


def test_results_with_control_characters_are_escaped_on_a_terminal(at_emulator: Any, options: Any) -> None:
    rows = at_emulator.folder / "rows.jsonl"
    rows.write_text('{"id": "\\u009b2J"}\n')
    started = at_emulator("start", *options(rows, "--run-id", "r", "--on-prompt-error", "fail_item"))
    assert started.document["status"] == "completed_with_failures"
    assert '"item_id": "\\u009b2J"' in shown_by(at_emulator, "results", "r")


def shown_by(batchor: Any, *arguments: str) -> str:
    terminal = Terminal()
    process = batchor.begin(*arguments, stdout=terminal.end)
    shown = terminal.read()
    process.communicate(timeout=30)
    return shown


class Terminal:
    """A pseudo-terminal; `end` is for a child, and is closed here once it has it."""

    def __init__(self) -> None:
        self._own, self.end = pty.openpty()

    def read(self) -> str:
        """Everything that is shown until the child is gone."""
        os.close(self.end)
        shown = b""
        # The end of a terminal shows as an error, not as an empty read.
        try:
            while part := os.read(self._own, 1 << 16):
                shown += part
        except OSError:
            pass
        os.close(self._own)
        return shown.decode()
