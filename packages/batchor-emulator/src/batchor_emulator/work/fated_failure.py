"""Failures in validation that a profile wants."""

from __future__ import annotations

from pathlib import Path

from batchor_emulator.faults.batch_fault import Fail
from batchor_emulator.state.batch_record import InputFault


def fated_input_faults(outcome: Fail, input_path: Path) -> tuple[InputFault, ...]:
    """What is said to be wrong with the input; nothing when no line has the text that *outcome* looks for."""
    if outcome.containing is None and not outcome.lines:
        return (InputFault(outcome.code, outcome.message),)
    numbers = {*outcome.lines, *_lines_with(outcome.containing, input_path)}
    return tuple(InputFault(outcome.code, outcome.message, line=number) for number in sorted(numbers))


def token_limit_fault(model: str | None, limit: int | None) -> InputFault:
    """The refusal of a batch for which too many tokens are enqueued already."""
    message = (
        f"Enqueued token limit reached for {model} in organization org-emulator. Limit: {limit:,} enqueued tokens. "
        "Please try again once some in_progress batches have been completed."
    )
    return InputFault("token_limit_exceeded", message)


def _lines_with(text: str | None, path: Path) -> list[int]:
    if text is None:
        return []
    wanted = text.encode()
    with path.open("rb") as file:
        return [number for number, line in enumerate(file, 1) if wanted in line]
