"""The journal of a batch: executing a request *is* appending its line here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from batchor_emulator.state.batch_record import Tally
from batchor_emulator.state.private_files import append_private, open_private, write_all

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExecutedRequest:
    """One answered request: its line for the output or error file, and what it counts."""

    custom_id: str
    status_code: int
    input_tokens: int
    output_tokens: int
    line: bytes

    @property
    def succeeded(self) -> bool:
        """Whether the line belongs into the output file."""
        return self.status_code == 200

    @property
    def counts_as_completed(self) -> bool:
        """Whether the batch counts it as completed: requests that the infrastructure lost are, without an answer."""
        return self.status_code in (0, 200)


def total(requests: Iterable[ExecutedRequest]) -> Tally:
    """What *requests* count together."""
    completed = failed = input_tokens = output_tokens = 0
    for request in requests:
        completed += request.counts_as_completed
        failed += not request.counts_as_completed
        input_tokens += request.input_tokens
        output_tokens += request.output_tokens
    return Tally(completed, failed, input_tokens, output_tokens)


class Journal:
    """An append-only file with one line per executed request.

    Requests are executed in one order that follows from the batch alone, so the number of whole
    lines says where to go on after a crash. A torn last line was not executed, and is cut off
    before anything else is appended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, executed: Sequence[ExecutedRequest]) -> None:
        """Write all of *executed* with one call."""
        now = time.time()
        block = b"".join(b"%b\t%b\n" % (_head(request, now), request.line) for request in executed)
        descriptor = append_private(self._path)
        try:
            write_all(descriptor, block)
        finally:
            os.close(descriptor)

    def recover(self) -> Tally:
        """Cut off a torn line, and count what is there."""
        if self._path.exists():
            os.truncate(self._path, self._whole_bytes())
        return total(request for _, request in self.read())

    def sync(self) -> None:
        """Make the executed requests survive a power loss."""
        descriptor = append_private(self._path)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> Iterator[tuple[bytes, ExecutedRequest]]:
        """Each ledger entry (a JSON object) with its request, in the order of execution."""
        if not self._path.exists():
            return
        with os.fdopen(open_private(self._path), "rb", buffering=_BLOCK_BYTES) as file:
            for raw in file:
                yield raw.partition(b"\t")[0], _parse(raw)

    def _whole_bytes(self) -> int:
        with os.fdopen(open_private(self._path), "rb", buffering=_BLOCK_BYTES) as file:
            return sum(len(raw) for raw in file if raw.endswith(b"\n"))


def _head(request: ExecutedRequest, executed_at: float) -> bytes:
    return orjson.dumps(
        {
            "custom_id": request.custom_id,
            "executed_at": executed_at,
            "status_code": request.status_code,
            "input_tokens": request.input_tokens,
            "output_tokens": request.output_tokens,
        }
    )


def _parse(raw: bytes) -> ExecutedRequest:
    head, _, line = raw.partition(b"\t")
    fields = orjson.loads(head)
    return ExecutedRequest(
        custom_id=fields["custom_id"],
        status_code=fields["status_code"],
        input_tokens=fields["input_tokens"],
        output_tokens=fields["output_tokens"],
        line=line[:-1],
    )
