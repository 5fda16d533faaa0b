"""A provider in memory: the server that remembers, and the adapter that talks to it.

The server outlives runners, as a real one does, and its ledger is the judge of what was bought. Its
lines are `{"custom_id": custom_id, "prompt": …}` and `{"custom_id": custom_id, "text": …}`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from threading import RLock
from typing import Any, BinaryIO

from batchor_core.domain.batch import LineFault, RemoteBatch
from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.item import PromptParts
from batchor_core.domain.job import OPERATION, OutputSchema
from batchor_core.domain.output_line import LineOutcome, OutputLine, TokenUsage, UsualLine
from batchor_core.errors import ProviderRefusedError, ProviderUnavailableError, RefusalConsequence, RequestEncodingError
from batchor_core.json_types import JsonObject
from batchor_core.ports.artifacts import ArtifactWriter
from batchor_core.ports.system import Clock

type Answer = Callable[[str], JsonObject | None]
"""From a prompt to the fields of its output line; None: no line, as for a request that was not run."""


def echo(prompt: str) -> JsonObject:
    """The plain answer: the prompt's own text."""
    return {"text": f"echo: {prompt}"}


@dataclass(frozen=True, slots=True)
class FakeProviderConfig:
    """What a job says about the fake provider."""

    model: str = "fake-1"
    enqueue_limits: EnqueueLimits | None = None
    poll_interval_s: float = 1.0

    completion_window_s: float = 86_400.0

    @property
    def provider(self) -> str:
        return "fake"

    @property
    def quota_scope(self) -> str:
        return self.model

    def to_stored(self) -> JsonObject:
        return {"model": self.model, OPERATION: {"poll_interval_s": self.poll_interval_s}}


@dataclass(slots=True)
class FakeServer:
    """Files, batches, and the ledger of executed requests."""

    clock: Clock
    answer: Answer = echo
    run_time_s: float = 0.0
    """How long after its creation a batch has ended."""
    final_status: str = "completed"
    down: bool = False
    """Whether calls get no answer."""
    faults: tuple[LineFault, ...] = ()
    """Given to every batch whose final status is `failed`."""
    files: dict[str, bytes] = field(default_factory=dict)
    file_names: dict[str, str] = field(default_factory=dict)
    batches: dict[str, RemoteBatch] = field(default_factory=dict)
    create_calls: int = 0
    ledger: list[tuple[str, str]] = field(default_factory=list)
    """(batch id, custom_id) of each executed request, in order."""
    lock: RLock = field(default_factory=RLock)

    def store(self, content: bytes, *, name: str = "") -> str:
        with self.lock:
            file_id = f"file-{len(self.file_names) + 1}"
            self.files[file_id] = content
            self.file_names[file_id] = name
            return file_id

    def execute(self, batch: RemoteBatch) -> RemoteBatch:
        """Run a batch to its end, once."""
        content = self.files.get(batch.input_file_id or "")
        if content is None or self.final_status == "failed":
            faults = self.faults or (LineFault("file_not_found", "the input file is gone"),)
            return replace(batch, provider_status="failed", ended=True, faults=faults)
        output = self._answers(batch.provider_batch_id, content)
        output_file_id = self.store(output) if output else None
        return replace(batch, provider_status=self.final_status, ended=True, output_file_id=output_file_id)

    def _answers(self, batch_id: str, content: bytes) -> bytes:
        lines: list[bytes] = []
        for line in content.splitlines():
            request = json.loads(line)
            fields = self.answer(request["prompt"])
            if fields is not None:
                self.ledger.append((batch_id, request["custom_id"]))
                lines.append(json.dumps({"custom_id": request["custom_id"], **fields}).encode() + b"\n")
        # Shuffled, as a real provider's are: the order says nothing.
        lines.sort(key=shuffling_key)
        return b"".join(lines)


def shuffling_key(line: bytes) -> bytes:
    """Sorts lines into an order that is not the input's and the same in every process."""
    return hashlib.sha256(line).digest()


class FakeClient:
    """`BatchClient` against a `FakeServer`."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def upload(self, content: BinaryIO, *, name: str) -> str:
        if self._server.down:
            raise ProviderUnavailableError("the fake provider is down")
        return self._server.store(content.read(), name=name)

    def create(self, *, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        server = self._server
        with server.lock:
            server.create_calls += 1
            if input_file_id not in server.files:
                raise _not_found(f"no file {input_file_id}", consequence=RefusalConsequence.REQUEST)
            batch = RemoteBatch(
                provider_batch_id=f"batch-{len(server.batches) + 1}",
                provider_status="in_progress",
                ended=False,
                input_file_id=input_file_id,
                created_at=server.clock.now(),
                metadata=dict(metadata),
            )
            server.batches[batch.provider_batch_id] = batch
            return batch

    def get(self, provider_batch_id: str) -> RemoteBatch:
        server = self._server
        with server.lock:
            if provider_batch_id not in server.batches:
                raise _not_found(f"no batch {provider_batch_id}")
            batch = server.batches[provider_batch_id]
            assert batch.created_at is not None
            age_s = (server.clock.now() - batch.created_at).total_seconds()
            if not batch.ended and age_s >= server.run_time_s:
                batch = server.batches[provider_batch_id] = server.execute(batch)
            return batch

    def find(self, *, since: datetime) -> Iterator[RemoteBatch]:
        with self._server.lock:
            batches = list(self._server.batches.values())
        return (batch for batch in batches if batch.created_at is not None and batch.created_at >= since)

    def cancel(self, provider_batch_id: str) -> RemoteBatch:
        server = self._server
        with server.lock:
            batch = self.get(provider_batch_id)
            if not batch.ended:
                batch = replace(batch, provider_status="cancelled", ended=True)
                server.batches[provider_batch_id] = batch
            return batch

    def download(self, file_id: str, sink: ArtifactWriter, *, max_bytes: int) -> int:
        content = self._server.files.get(file_id)
        if content is None:
            raise _not_found(f"no file {file_id}")
        if len(content) > max_bytes:
            raise ProviderRefusedError(
                f"the file has more than {max_bytes} bytes", consequence=RefusalConsequence.REQUEST
            )
        return sink.write(content)

    def delete(self, file_id: str) -> bool:
        with self._server.lock:
            return self._server.files.pop(file_id, None) is not None


def _not_found(message: str, *, consequence: RefusalConsequence = RefusalConsequence.NOT_FOUND) -> ProviderRefusedError:
    return ProviderRefusedError(message, consequence=consequence, status_code=404)


class FakeCodec:
    """`RequestCodec` of the fake provider's lines."""

    def encode(self, custom_id: str, prompt: PromptParts) -> bytes:
        request = {"custom_id": custom_id, "prompt": prompt.prompt, "system_prompt": prompt.system_prompt}
        try:
            return json.dumps(request, ensure_ascii=False).encode() + b"\n"
        except UnicodeEncodeError:
            problem = f"the prompt of {custom_id} holds half of a surrogate pair; correct it"
            raise RequestEncodingError(problem) from None

    def encode_many(self, id_head: str, first: int, prompts: Sequence[PromptParts]) -> Sequence[bytes]:
        return [self.encode(f"{id_head}{index}", prompt) for index, prompt in enumerate(prompts, first)]

    def decode(self, line: bytes) -> OutputLine:
        try:
            return _read(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            problem = f"unreadable: {type(error).__name__}"
            return OutputLine(custom_id=None, outcome=LineOutcome.UNREADABLE, message=problem)

    def decode_usual(self, line: bytes) -> UsualLine | None:
        said = self.decode(line)
        if said.outcome is not LineOutcome.ANSWERED or said.custom_id is None or said.text is None:
            return None
        return said.custom_id, said.text, said.finish_reason, *astuple(said.usage or TokenUsage())


def _read(fields: Any) -> OutputLine:
    custom_id, text = _storable(fields["custom_id"]), fields.get("text")
    outcome = LineOutcome(fields.get("outcome", LineOutcome.ANSWERED))
    if outcome is LineOutcome.ANSWERED:
        text = _storable(text)
    return OutputLine(
        custom_id=custom_id,
        outcome=outcome,
        text=text,
        finish_reason="stop",
        usage=TokenUsage(input_tokens=3, output_tokens=5) if outcome.model_answered else None,
        message=None if outcome is LineOutcome.ANSWERED else f"the fake provider says {outcome}",
        status_code=200 if outcome is LineOutcome.ANSWERED else None,
    )


def _storable(text: Any) -> str:
    """Text that every storage takes, or an error."""
    if not isinstance(text, str) or not text or b"\0" in text.encode():
        raise ValueError("no text")
    return text


class FakeTokenCounter:
    """One token a character."""

    def count(self, requests: Sequence[PromptParts]) -> Sequence[int]:
        return [len(request.prompt) for request in requests]


class FakeProvider:
    """`BatchProvider` against a `FakeServer`."""

    def __init__(self, server: FakeServer) -> None:
        self._client = FakeClient(server)

    @property
    def client(self) -> FakeClient:
        return self._client

    @property
    def tokens(self) -> FakeTokenCounter:
        return FakeTokenCounter()

    def codec(self, schema: OutputSchema | None) -> FakeCodec:
        return FakeCodec()

    def close(self) -> None:
        """Nothing is held."""


class FakeProviderFactory:
    """`ProviderFactory`: give it to a runner as `providers={"fake": FakeProviderFactory(server)}`."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def config_from_stored(self, stored: JsonObject) -> FakeProviderConfig:
        values: dict[str, Any] = dict(stored)
        return FakeProviderConfig(**values.pop(OPERATION), **values)

    def strict_schema(self, name: str, schema: JsonObject) -> JsonObject:
        return schema

    def connect(self, config: object) -> FakeProvider:
        return FakeProvider(self._server)
