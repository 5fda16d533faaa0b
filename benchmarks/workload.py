"""The work that everything measured here is given: rows, the requests they become, and the provider's answers to them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

MODEL = "gpt-4.1"
RUN_TAG = 0x5EED0BEE5EED
"""What begins the custom_ids of the prepared answers, as a number of 48 bits; `floor` and batchor both use it."""
TAG = f"{RUN_TAG:012x}"
BATCH_ROWS = 50_000
_ROW_BYTES = 270
_WORDS = "claim report wind runway cargo engine signal harbour valley ledger copper meadow north quiet review".split()  # noqa: SIM905  reads as the sentence that it becomes

VERDICT_SCHEMA: dict[str, Any] = {
    "description": "A judgement of a few fields.",
    "title": "Verdict",
    "type": "object",
    "properties": {
        "label": {"enum": ["spam", "ham", "unclear"], "title": "Label", "type": "string"},
        "score": {"title": "Score", "type": "number"},
        "reason": {"title": "Reason", "type": "string"},
        "flagged": {"title": "Flagged", "type": "boolean"},
    },
    "required": ["label", "score", "reason", "flagged"],
    "additionalProperties": False,
}
"""What batchor sends for `benchmarks.verdict.Verdict`."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Prepared files: the input, and one output file for each batch of 50,000 requests, in shuffled order."""

    input_path: Path
    outputs: Path
    rows: int
    structured: bool

    def output_path(self, number: int) -> Path:
        return self.outputs / f"{number:05d}.jsonl"

    @property
    def response_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.outputs.glob("*.jsonl"))


def prepare(folder: Path, *, rows: int, structured: bool) -> Workload:
    """The workload of *rows* rows in *folder*; files that are there from an earlier call are used again."""
    kind = "structured" if structured else "text"
    workload = Workload(folder / f"rows-{rows}.jsonl", folder / f"answers-{kind}-{rows}", rows, structured)
    _write_once(workload.input_path, (_row(index) for index in range(rows)))
    workload.outputs.mkdir(exist_ok=True)
    for number, first in enumerate(range(0, rows, BATCH_ROWS)):
        order = list(range(first, min(first + BATCH_ROWS, rows)))
        Random(first).shuffle(order)  # noqa: S311  repeatable on purpose
        _write_once(workload.output_path(number), (_answer(index, structured=structured) for index in order))
    return workload


def _write_once(path: Path, lines: Iterator[str]) -> None:
    if path.exists():
        return
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("w") as file:
        file.writelines(lines)
    unfinished.rename(path)


def _row(index: int) -> str:
    words, length = [f"Judge message {index}:"], 0
    while length < _ROW_BYTES - 57:
        words.append(_WORDS[(index * 7 + length) % len(_WORDS)])
        length += len(words[-1]) + 1
    row = json.dumps({"id": f"row-{index:09d}", "text": " ".join(words)})
    return row + "\n"


def _answer(index: int, *, structured: bool) -> str:
    text = f"The message number {index} is a report of {_WORDS[index % 15]} and {_WORDS[index % 13]}; nothing is due."
    if structured:
        label = ("spam", "ham", "unclear")[index % 3]
        text = json.dumps({"label": label, "score": index % 100 / 100, "reason": text[:60], "flagged": index % 2 == 0})
    return (
        _OUTPUT_LINE.replace("@", f"{index:09d}").replace("#", f"{TAG}-{index}").replace("~", json.dumps(text)) + "\n"
    )


_OUTPUT_LINE = json.dumps(
    {
        "id": "batch_req_@",
        "custom_id": "#",
        "response": {
            "status_code": 200,
            "request_id": "req_@",
            "body": {
                "id": "resp_@",
                "object": "response",
                "created_at": 1_790_000_000,
                "status": "completed",
                "error": None,
                "incomplete_details": None,
                "instructions": None,
                "max_output_tokens": None,
                "model": "gpt-4.1-2025-04-14",
                "output": [
                    {
                        "id": "msg_@",
                        "type": "message",
                        "status": "completed",
                        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "~"}],
                        "role": "assistant",
                    }
                ],
                "parallel_tool_calls": True,
                "previous_response_id": None,
                "reasoning": {"effort": None, "summary": None},
                "service_tier": "default",
                "store": True,
                "temperature": 1.0,
                "text": {"format": {"type": "text"}},
                "tool_choice": "auto",
                "tools": [],
                "top_p": 1.0,
                "truncation": "disabled",
                "usage": {
                    "input_tokens": 52,
                    "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens": 21,
                    "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": 73,
                },
                "user": None,
                "metadata": {},
            },
        },
        "error": None,
    }
).replace('"~"', "~")
