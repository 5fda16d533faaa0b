"""OpenAI's files and batches."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from batchor_core.domain.batch import RemoteBatch
from batchor_core.errors import ProviderRefusedError, ProviderUnavailableError, RefusalConsequence
from batchor_core.ports.artifacts import ArtifactWriter
from batchor_openai.config import OpenAIProviderConfig
from batchor_openai.remote_batch import BatchPage, read_batch, read_file_id, read_page
from batchor_openai.sdk import Sdk

if TYPE_CHECKING:
    from openai import OpenAI

_PAGE_SIZE = 100
_CHUNK_BYTES = 1 << 18
# Others could unpack to any size within one chunk.
_ACCEPTED_ENCODINGS = {"Accept-Encoding": "gzip, identity"}
_KNOWN_ENCODINGS = ("", "identity", "gzip", "deflate")


class OpenAIBatchClient:
    """The Files and Batches API over OpenAI's SDK, which is imported and connected at the first call.

    Each method makes one HTTP request, `find` one per page; none is repeated inside.
    """

    def __init__(self, config: OpenAIProviderConfig) -> None:
        self._config = config
        self._sdk = Sdk(config)

    def check_key(self) -> None:
        """`MissingCredentialsError` when there is no key."""
        self._sdk.check_key()

    def upload(self, content: BinaryIO, *, name: str) -> str:
        # An open handle is streamed; a path or bytes would be held in memory, twice.
        file = (name, content)
        call = f"uploading {name}"
        expiry = self._expiry("expires_after")
        answer = self._sdk.call(
            call,
            lambda sdk: sdk.files.with_raw_response.create(file=file, purpose="batch", extra_body=expiry).content,
        )
        return _read(call, answer, read_file_id)

    def create(self, *, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        def send(sdk: "OpenAI") -> bytes:
            # The client repeats nothing; said here again, for here it would buy a batch twice.
            answer = sdk.with_options(max_retries=0).batches.with_raw_response.create(
                input_file_id=input_file_id,
                endpoint=self._config.endpoint.value,
                completion_window=cast("Any", self._config.completion_window),  # other servers have others
                metadata=dict(metadata),
                extra_body=self._expiry("output_expires_after"),
            )
            return answer.content

        call = f"creating a batch from {input_file_id}"
        return _read(call, self._sdk.call(call, send), read_batch)

    def get(self, provider_batch_id: str) -> RemoteBatch:
        call = f"asking for batch {provider_batch_id}"
        batch_id = _checked(call, provider_batch_id)
        answer = self._sdk.call(call, lambda sdk: sdk.batches.with_raw_response.retrieve(batch_id).content)
        return _read(call, answer, read_batch)

    def find(self, *, since: datetime) -> Iterator[RemoteBatch]:
        """Batches are listed newest first, so the listing ends with the first page that reaches back to *since*."""
        after, seen = None, set[str]()
        while True:
            page = self._page(after)
            yield from (batch for batch in page.batches if not _is_before(batch, since))
            after = page.next_after
            # A server that does not know `after` gives its first page for ever.
            if after is None or after in seen or _is_before(page.batches[-1], since):
                return
            seen.add(after)

    def cancel(self, provider_batch_id: str) -> RemoteBatch:
        call = f"cancelling batch {provider_batch_id}"
        batch_id = _checked(call, provider_batch_id)
        answer = self._sdk.call(call, lambda sdk: sdk.batches.with_raw_response.cancel(batch_id).content)
        return _read(call, answer, read_batch)

    def download(self, file_id: str, sink: ArtifactWriter, *, max_bytes: int) -> int:
        call = f"downloading file {file_id}"
        return self._sdk.call(call, lambda sdk: _stream(sdk, _checked(call, file_id), sink, max_bytes=max_bytes))

    def delete(self, file_id: str) -> bool:
        call = f"deleting file {file_id}"
        try:
            self._sdk.call(call, lambda sdk: sdk.files.with_raw_response.delete(_checked(call, file_id)))
        except ProviderRefusedError as error:
            if error.consequence is not RefusalConsequence.NOT_FOUND:
                raise
            return False
        return True

    def close(self) -> None:
        """Give its connections back; a later call opens new ones."""
        self._sdk.close()

    def _expiry(self, field: str) -> dict[str, object] | None:
        seconds = self._config.files_expire_after_s
        return None if seconds is None else {field: {"anchor": "created_at", "seconds": seconds}}

    def _page(self, after: str | None) -> BatchPage:
        call = "listing batches"
        query = None if after is None else {"after": after}
        answer = self._sdk.call(
            call, lambda sdk: sdk.batches.with_raw_response.list(limit=_PAGE_SIZE, extra_query=query).content
        )
        return _read(call, answer, read_page)


def _stream(sdk: "OpenAI", file_id: str, sink: ArtifactWriter, *, max_bytes: int) -> int:
    call, written = f"downloading file {file_id}", 0
    content = sdk.files.with_streaming_response.content(file_id, extra_headers=_ACCEPTED_ENCODINGS)
    with content as response:
        _check_encoding(call, response.headers.get("content-encoding", ""))
        for chunk in response.iter_bytes(_CHUNK_BYTES):
            written += len(chunk)
            if written > max_bytes:
                raise _refused(call, f"the file has more than the {max_bytes} bytes that are accepted")
            sink.write(chunk)
    return written


def _is_before(batch: RemoteBatch, since: datetime) -> bool:
    # The API tells whole seconds.
    return batch.created_at is not None and batch.created_at < since.replace(microsecond=0)


def _read[ReadT](call: str, answer: bytes, read: Callable[[bytes], ReadT]) -> ReadT:
    try:
        return read(answer)
    except (ValueError, RecursionError) as error:
        problem = f"{call}: the answer is not what this API gives ({error}); does base_url lead to it?"
        raise ProviderUnavailableError(problem) from None


def _checked(call: str, provider_id: str) -> str:
    """*provider_id*, unless it could not stand in a path."""
    if not provider_id.strip("./"):
        raise ProviderRefusedError(f"{call}: that is no id", consequence=RefusalConsequence.NOT_FOUND)
    return provider_id


def _check_encoding(call: str, encoding: str) -> None:
    if encoding.strip().lower() not in _KNOWN_ENCODINGS:
        raise _refused(call, f"the file comes packed as {encoding!r}, which was not asked for")


def _refused(call: str, problem: str) -> ProviderRefusedError:
    return ProviderRefusedError(f"{call}: {problem}", consequence=RefusalConsequence.REQUEST)
