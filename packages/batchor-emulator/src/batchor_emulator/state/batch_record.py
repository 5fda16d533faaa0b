"""One batch as it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec
import orjson

from batchor_emulator.faults.batch_fault import Fate
from batchor_emulator.state.batch_status import TERMINAL, BatchEvent, BatchStatus, next_status


class IllegalTransitionError(Exception):
    """The batch is in a state in which this can't happen."""

    def __init__(self, batch: BatchRecord, event: BatchEvent) -> None:
        super().__init__(f"batch {batch.id} is {batch.status}; it can't {event} now")
        self.batch = batch


@dataclass(frozen=True, slots=True)
class InputFault:
    """One fault of an input file. *line* counts from 1; None means the whole file."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many requests of a batch were executed, and the tokens that they used."""

    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def executed(self) -> int:
        """Requests that were run, whatever came of them."""
        return self.completed + self.failed

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch. Times are Unix seconds; `entered_at` has one per state that it was in."""

    id: str
    input_file_id: str
    endpoint: str
    completion_window: str
    created_at: float
    expires_at: float
    status: BatchStatus = BatchStatus.VALIDATING
    metadata: dict[str, str] | None = None
    output_expires_after_s: int | None = None
    entered_at: dict[BatchStatus, float] = field(default_factory=dict)
    model: str | None = None
    total: int = 0
    tally: Tally = Tally()
    faults: tuple[InputFault, ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None
    prompt_tokens: int = 0
    fate: Fate | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in TERMINAL

    def with_tally(self, tally: Tally) -> BatchRecord:
        """The same batch, further on."""
        return replace(self, tally=tally)

    def moved(self, event: BatchEvent, *, at: float) -> BatchRecord:
        """The batch after *event*. Raises `IllegalTransitionError`."""
        status = next_status(self.status, event)
        if status is None:
            raise IllegalTransitionError(self, event)
        return replace(self, status=status, entered_at={**self.entered_at, status: at})


def encode_batch(batch: BatchRecord) -> bytes:
    """The stored form."""
    return orjson.dumps(batch, default=msgspec.to_builtins, option=orjson.OPT_NON_STR_KEYS)


def decode_batch(data: bytes) -> BatchRecord:
    """The opposite of `encode_batch`."""
    fields = orjson.loads(data)
    fields["status"] = BatchStatus(fields["status"])
    fields["entered_at"] = {BatchStatus(status): at for status, at in fields["entered_at"].items()}
    fields["tally"] = Tally(**fields["tally"])
    fields["faults"] = tuple(InputFault(**fault) for fault in fields["faults"])
    fields["fate"] = msgspec.convert(fields.get("fate"), Fate | None)
    return BatchRecord(**fields)
