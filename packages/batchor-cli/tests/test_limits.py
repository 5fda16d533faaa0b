"""Limits and policies, where they work."""

import json
from pathlib import Path
from typing import Any


def test_tokens_are_limited_cut_answers_accepted_and_raw_files_dropped_on_demand(
    at_emulator: Any, twenty: Path, options: Any
) -> None:
    finished = at_emulator(
        "run",
        *options(twenty, "--prompt-template", "{airport} {aircraft} {operator} {state} {species}"),
        *("--max-batch-enqueued-tokens", "100", "--enqueued-token-limit", "1000"),
        *("--max-output-tokens", "16", "--on-truncation", "accept", "--drop-raw-outputs", "--db-path", "x.sqlite3"),
    )
    assert finished.code == 0, finished.stderr
    assert finished.document["batches"] > 1
    kept = [path.name for path in at_emulator.folder.rglob("*.jsonl") if path.name.startswith(("requests", "output"))]
    assert {name.partition("-")[0] for name in kept} == {"requests"}
    lines = [json.loads(line) for line in (at_emulator.folder / "results.jsonl").read_text().splitlines()]
    assert {line["finish_reason"] for line in lines} == {"max_output_tokens"}


def test_an_unknown_policy_is_a_fault_of_usage(batchor: Any, twenty: Path, options: Any) -> None:
    refused = batchor("start", *options(twenty, "--on-refusal", "shrug"))
    assert refused.code == 2
    assert "'fail', 'retry', 'accept'" in refused.stderr
