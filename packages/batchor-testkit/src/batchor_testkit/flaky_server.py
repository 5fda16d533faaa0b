"""A provider's server that mistreats batches, and knows what it did: its ledger is the judge of what was bought."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from batchor_core.domain.batch import LineFault, RemoteBatch
from batchor_core.domain.output_line import LineOutcome
from batchor_testkit.fake_provider import FakeClient, FakeServer, shuffling_key
from batchor_testkit.fault_profiles import CALM, BatchFault, Dice, FaultProfile, OutputFault

_QUEUE_FULL = LineFault("token_limit_exceeded", "Enqueued token limit reached", transient=True)
_FILE_IS_GONE = LineFault("file_not_found", "the input file is gone")
_GARBAGE = (b'{"custom_id": "cut of', b"null", b"\xff\xfe\x00", b"[]", b'"text"')
_SECONDS_FOR_ALL = 10 * 86_400.0


class Delivery(NamedTuple):
    """One executed request, and what the batch's files say of it."""

    batch_id: str
    custom_id: str
    answers: tuple[str, ...]
    """Good texts, the first one first; none: whoever reads the files has to send the request again."""
    is_attempt: bool
    """A line says that the model answered, well or not."""


class Lurking(NamedTuple):
    """A create call that is still on its way."""

    arrives_at: datetime
    input_file_id: str
    metadata: Mapping[str, str]


@dataclass(slots=True)
class _Files:
    """The two files of a batch while they are written."""

    output: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class FlakyServer(FakeServer):
    """A `FakeServer` with the faults of *profile*, the same for the same *seed*.

    Beside the ledger of executed requests it keeps what was delivered of each.
    """

    profile: FaultProfile = CALM
    seed: int = 0
    deliveries: list[Delivery] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """custom_ids of requests for which a batch failed."""
    lurking: list[Lurking] = field(default_factory=list)
    dice: Dice = field(init=False)
    _inputs: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = Dice(self.profile, self.seed)

    def remember_input(self, batch: RemoteBatch) -> None:
        """Keep what a batch was created with, whatever becomes of the file."""
        self._inputs[batch.provider_batch_id] = self.files[batch.input_file_id or ""]

    def let_arrive(self) -> None:
        """Let create calls that lurked until now have their effect."""
        with self.lock:
            due = [call for call in self.lurking if call.arrives_at <= self.clock.now()]
            for call in due:
                self.lurking.remove(call)
                if call.input_file_id in self.files:
                    created = FakeClient(self).create(input_file_id=call.input_file_id, metadata=call.metadata)
                    self.remember_input(created)

    def run_all(self) -> None:
        """Let everything that was ever asked for come to its end: what nobody looks at is bought all the same."""
        self.clock.sleep(_SECONDS_FOR_ALL)
        self.let_arrive()
        self.clock.sleep(self.run_time_s)
        for batch_id in list(self.batches):
            FakeClient(self).get(batch_id)

    def execute(self, batch: RemoteBatch) -> RemoteBatch:
        deleted = batch.input_file_id not in self.files
        if deleted and self.profile.loses_deleted_input:
            return replace(batch, provider_status="failed", ended=True, faults=(_FILE_IS_GONE,))
        requests: list[dict[str, str]] = [json.loads(line) for line in self._input(batch).split(b"\n") if line]
        fault = self.dice.throw(self.profile.batches)
        if fault is BatchFault.QUEUE_FULL:
            return replace(batch, provider_status="failed", ended=True, faults=(_QUEUE_FULL,))
        if fault is BatchFault.BAD_LINE:
            return self._refuse_a_line(batch, requests)
        files = _Files()
        for request in requests[:: 2 if fault is BatchFault.EXPIRED_HALFWAY else 1]:
            self._execute_one(batch, request, files)
        status = "completed" if fault is None else "expired"
        return replace(
            batch,
            provider_status=status,
            ended=True,
            output_file_id=self._store_lines(files.output),
            error_file_id=self._store_lines(files.errors),
        )

    def _input(self, batch: RemoteBatch) -> bytes:
        return self._inputs.get(batch.provider_batch_id) or self.files[batch.input_file_id or ""]

    def _refuse_a_line(self, batch: RemoteBatch, requests: list[dict[str, str]]) -> RemoteBatch:
        at = self.dice.index(len(requests))
        self.refused.add(requests[at]["custom_id"])
        faults = (LineFault("invalid_request", "this line is bad", line=at + 1),)
        return replace(batch, provider_status="failed", ended=True, faults=faults)

    def _execute_one(self, batch: RemoteBatch, request: dict[str, str], files: _Files) -> None:
        fields = self.answer(request["prompt"])
        if fields is None:
            return
        custom_id = request["custom_id"]
        self.ledger.append((batch.provider_batch_id, custom_id))
        line = {"custom_id": custom_id, **fields}
        answers, is_attempt = self._write_line(line, self.dice.throw(self.profile.lines), files)
        self.deliveries.append(Delivery(batch.provider_batch_id, custom_id, answers, is_attempt))

    def _write_line(
        self, line: dict[str, Any], fault: OutputFault | None, files: _Files
    ) -> tuple[tuple[str, ...], bool]:
        """Write what the fault leaves of *line*; its good texts, and whether it is an attempt."""
        outcome = LineOutcome(line.get("outcome", LineOutcome.ANSWERED))
        answers = (line["text"],) if outcome is LineOutcome.ANSWERED else ()
        match fault:
            case OutputFault.LOST:
                return (), False
            case OutputFault.STATUS_ZERO:
                files.errors.append(_encoded({"custom_id": line["custom_id"], "outcome": LineOutcome.PROVIDER_FAILED}))
                return (), False
            case OutputFault.GARBAGE:
                files.output.append(_GARBAGE[self.dice.index(len(_GARBAGE))] + b"\n")
                return (), False
        files.output.append(_encoded(line))
        match fault:
            case OutputFault.DUPLICATE:
                files.output.append(_encoded(line))
            case OutputFault.FOREIGN:
                files.output.extend(map(_encoded, _foreign_lines(line["custom_id"])))
            case OutputFault.SECOND_ANSWER:
                files.errors.append(_encoded({"custom_id": line["custom_id"], "text": "a second answer"}))
            case _:
                pass
        return answers, outcome.model_answered

    def _store_lines(self, lines: list[bytes]) -> str | None:
        lines.sort(key=shuffling_key)
        return self.store(b"".join(lines)) if lines else None


def others_batches(server: FlakyServer, number: int) -> Iterator[RemoteBatch]:
    """Batches of other people and other runs in the same account."""
    now = server.clock.now()
    for n in range(number):
        metadata = {"batchor_run_id": "another", "batchor_batch_key": f"{n:032x}"} if n % 2 else {}
        yield RemoteBatch(
            provider_batch_id=f"others-{n}",
            provider_status="in_progress",
            ended=False,
            input_file_id=None if n % 3 == 0 else f"others-file-{n}",
            created_at=None if n % 3 == 1 else now - timedelta(seconds=n),
            metadata=metadata,
        )


def _foreign_lines(custom_id: str) -> list[dict[str, str]]:
    tag, _, index = custom_id.partition("-")
    return [
        {"custom_id": f"ffffffff-{index}", "text": "of another run"},
        {"custom_id": f"{tag}-999", "text": "of no item"},
    ]


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"
