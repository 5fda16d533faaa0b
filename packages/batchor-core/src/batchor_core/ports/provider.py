"""The provider of answers, in three roles: the client (I/O), the codec (pure) and the token counter.

Errors of every call are the `ProviderError`s of `batchor_core.errors`; they say whether the
provider may have acted, and never hold a credential.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from batchor_core.domain.batch import RemoteBatch
from batchor_core.domain.item import PromptParts
from batchor_core.domain.job import OutputSchema, ProviderConfig
from batchor_core.domain.output_line import OutputLine, UsualLine
from batchor_core.json_types import JsonObject
from batchor_core.ports.artifacts import ArtifactWriter


class BatchClient(Protocol):
    """The provider's files and batches. Safe for use by several threads at once."""

    def upload(self, content: BinaryIO, *, name: str) -> str:
        """Store an input file, streamed from *content*; the provider's file id."""
        ...

    def create(self, *, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        """Create one batch, by exactly one request: never repeated inside, whatever the answer."""
        ...

    def get(self, provider_batch_id: str) -> RemoteBatch: ...

    def find(self, *, since: datetime) -> Iterator[RemoteBatch]:
        """Every batch of the account created at or after *since*, also those of others, in any order, all pages."""
        ...

    def cancel(self, provider_batch_id: str) -> RemoteBatch: ...

    def download(self, file_id: str, sink: ArtifactWriter, *, max_bytes: int) -> int:
        """Stream a file into *sink*; the number of bytes. More than *max_bytes* is a `ProviderRefusedError`."""
        ...

    def delete(self, file_id: str) -> bool:
        """Delete a file; False when the provider does not know it, and nothing happens then."""
        ...


class RequestCodec(Protocol):
    """Requests to bytes, output lines to outcomes: pure, and called once per row."""

    def encode(self, custom_id: str, prompt: PromptParts) -> bytes:
        r"""One line of an input file, ending in `\n` and holding no other.

        `RequestEncodingError` for text that JSON in UTF-8 cannot hold (lone surrogates).
        """
        ...

    def encode_many(self, id_head: str, first: int, prompts: Sequence[PromptParts]) -> Sequence[bytes]:
        """What `encode` gives for each prompt; the custom_ids are *id_head* with *first*, *first* + 1, … behind it.

        `RequestEncodingError` when `encode` raises it for any: then each is encoded alone. To call `encode` for each is
        right, and slow.
        """
        ...

    def decode(self, line: bytes) -> OutputLine:
        """What one line says, in any shape: never raises; what it can't read is UNREADABLE."""
        ...

    def decode_usual(self, line: bytes) -> UsualLine | None:
        """What `decode` says, at a fraction of its cost, of a line that is nothing but usual; None for any other.

        To return None for every line is right, and slow. Never raises.
        """
        ...


class TokenCounter(Protocol):
    """Prompt tokens, asked only where a limit or a price needs them."""

    def count(self, requests: Sequence[PromptParts]) -> Sequence[int]:
        """Tokens of each prompt; an estimate never lies below the truth by more than a few per cent."""
        ...


class BatchProvider(Protocol):
    """One account of one provider, ready for use; opens nothing before its first call."""

    @property
    def client(self) -> BatchClient:
        """`MissingCredentialsError` when no key is to be found."""
        ...

    @property
    def tokens(self) -> TokenCounter: ...

    def codec(self, schema: OutputSchema | None) -> RequestCodec:
        """A codec for answers of *schema*, None for text."""
        ...

    def close(self) -> None: ...


class ProviderFactory(Protocol):
    """What is registered under a provider's name."""

    def config_from_stored(self, stored: JsonObject) -> ProviderConfig:
        """The configuration that `to_stored` gave; the key comes from the environment."""
        ...

    def strict_schema(self, name: str, schema: JsonObject) -> JsonObject:
        """*schema* as the provider is to be given it, or `SchemaNotStrictError` with every fault."""
        ...

    def connect(self, config: ProviderConfig) -> BatchProvider: ...
