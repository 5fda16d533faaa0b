"""A provider in this process that answers with prepared files: what is left is batchor's own cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from batchor_core.domain.batch import RemoteBatch
from batchor_core.domain.job import OutputSchema, ProviderConfig
from batchor_core.json_types import JsonObject
from batchor_core.ports.artifacts import ArtifactWriter
from batchor_openai import OpenAIBatchProvider, OpenAIProviderConfig
from batchor_openai.request_codec import OpenAIRequestCodec
from batchor_openai.tokens import OpenAITokenCounter

_CHUNK_BYTES = 1 << 18


@dataclass(slots=True)
class LinkedClient:
    """The n-th file that is uploaded is answered by the n-th prepared one. Reads and writes streams as the real client does."""

    outputs: Path
    uploads: int = 0
    batches: dict[str, RemoteBatch] = field(default_factory=dict)

    def upload(self, content: BinaryIO, *, name: str) -> str:
        del name
        while content.read(_CHUNK_BYTES):
            pass
        self.uploads += 1
        return f"{self.uploads - 1:05d}"

    def create(self, *, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        new = RemoteBatch(f"batch-{input_file_id}", "in_progress", ended=False, input_file_id=input_file_id)
        self.batches[new.provider_batch_id] = RemoteBatch(
            new.provider_batch_id,
            "completed",
            ended=True,
            input_file_id=input_file_id,
            output_file_id=input_file_id,
            metadata=dict(metadata),
        )
        return new

    def get(self, provider_batch_id: str) -> RemoteBatch:
        return self.batches[provider_batch_id]

    def find(self, *, since: datetime) -> Iterator[RemoteBatch]:
        del since
        return iter(list(self.batches.values()))

    def cancel(self, provider_batch_id: str) -> RemoteBatch:
        return self.batches[provider_batch_id]

    def download(self, file_id: str, sink: ArtifactWriter, *, max_bytes: int) -> int:
        del max_bytes
        size = 0
        with (self.outputs / f"{file_id}.jsonl").open("rb", buffering=0) as content:
            while chunk := content.read(_CHUNK_BYTES):
                size += sink.write(chunk)
        return size

    def delete(self, file_id: str) -> bool:
        """Nothing is kept that could be deleted."""
        del file_id
        return True


@dataclass(frozen=True, slots=True)
class LinkedProvider:
    """OpenAI's codec and token counter around a `LinkedClient`; it is its own factory."""

    client: LinkedClient
    config: OpenAIProviderConfig

    @property
    def tokens(self) -> OpenAITokenCounter:
        return OpenAITokenCounter(self.config.model)

    def codec(self, schema: OutputSchema | None) -> OpenAIRequestCodec:
        return OpenAIRequestCodec(self.config, schema)

    def close(self) -> None:
        """Nothing is open."""

    def config_from_stored(self, stored: JsonObject) -> OpenAIProviderConfig:
        return OpenAIBatchProvider.config_from_stored(stored)

    def strict_schema(self, name: str, schema: JsonObject) -> JsonObject:
        return OpenAIBatchProvider.strict_schema(name, schema)

    def connect(self, config: ProviderConfig) -> "LinkedProvider":
        del config
        return self
