"""A client that loses answers, comes too late, and shows lists that lag: the adapter of a `FlakyServer`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import batched
from typing import BinaryIO

from batchor_core.domain.batch import RemoteBatch
from batchor_core.domain.job import OutputSchema
from batchor_core.errors import (
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderUnavailableError,
    RefusalConsequence,
)
from batchor_core.json_types import JsonObject
from batchor_core.ports.artifacts import ArtifactWriter
from batchor_testkit.fake_provider import (
    FakeClient,
    FakeCodec,
    FakeProviderConfig,
    FakeProviderFactory,
    FakeTokenCounter,
)
from batchor_testkit.fault_profiles import CallFault
from batchor_testkit.flaky_server import FlakyServer, Lurking, others_batches

RETRY_AFTER_S = 20.0
LURKS_S = 400.0
"""Longer than any quarantine."""


class FlakyClient:
    """`BatchClient` against a `FlakyServer`: each call may suffer a fault of the server's profile."""

    def __init__(self, server: FlakyServer) -> None:
        self._server = server
        self._inner = FakeClient(server)

    def upload(self, content: BinaryIO, *, name: str) -> str:
        return self._call(lambda: self._inner.upload(content, name=name))

    def create(self, *, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        server = self._server
        server.let_arrive()
        fault = server.dice.throw((*server.profile.calls, *server.profile.creates))
        if fault is CallFault.LURK:
            arrives_at = server.clock.now() + timedelta(seconds=LURKS_S)
            server.lurking.append(Lurking(arrives_at, input_file_id, metadata))
            raise _unavailable("the connection was lost")
        return _suffer(fault, lambda: self._create(input_file_id, metadata))

    def get(self, provider_batch_id: str) -> RemoteBatch:
        return self._call(lambda: self._inner.get(provider_batch_id))

    def find(self, *, since: datetime) -> Iterator[RemoteBatch]:
        server, profile = self._server, self._server.profile
        self._call(lambda: None)
        newest = server.clock.now() - timedelta(seconds=profile.list_lag_s)
        shown = [each for each in self._inner.find(since=since) if each.created_at and each.created_at <= newest]
        # Those of others first: who reads one page only sees nothing of ours.
        listed = [*others_batches(server, profile.foreign_batches), *reversed(shown)]
        for page in batched(listed, profile.page_size):
            server.clock.sleep(profile.page_s)
            yield from page

    def cancel(self, provider_batch_id: str) -> RemoteBatch:
        return self._call(lambda: self._inner.cancel(provider_batch_id))

    def download(self, file_id: str, sink: ArtifactWriter, *, max_bytes: int) -> int:
        return self._call(
            lambda: self._inner.download(file_id, sink, max_bytes=max_bytes),
            half=lambda: self._inner.download(file_id, _HalfSink(sink), max_bytes=max_bytes),
        )

    def delete(self, file_id: str) -> bool:
        return self._call(lambda: self._inner.delete(file_id))

    def _create(self, input_file_id: str, metadata: Mapping[str, str]) -> RemoteBatch:
        created = self._inner.create(input_file_id=input_file_id, metadata=metadata)
        self._server.remember_input(created)
        return created

    def _call[ResultT](self, act: Callable[[], ResultT], *, half: Callable[[], object] | None = None) -> ResultT:
        self._server.let_arrive()
        return _suffer(self._server.dice.throw(self._server.profile.calls), act, half=half)


def _suffer[ResultT](
    fault: CallFault | None, act: Callable[[], ResultT], *, half: Callable[[], object] | None = None
) -> ResultT:
    """*act* under *fault*; *half*: what is done of a call whose answer is lost on the way."""
    match fault:
        case CallFault.DROP_BEFORE_ACTING:
            raise _unavailable("the connection was refused")
        case CallFault.THROTTLED:
            raise ProviderThrottledError("too many calls", status_code=429, retry_after_s=RETRY_AFTER_S)
        case CallFault.AUTH:
            raise ProviderRefusedError("the key is refused", consequence=RefusalConsequence.AUTH, status_code=401)
        case CallFault.ACT_THEN_DROP:
            (half or act)()
            raise _unavailable("the connection was lost before the answer")
        case CallFault.ACT_THEN_500:
            (half or act)()
            raise ProviderUnavailableError("the server had a fault", status_code=500)
        case _:
            return act()


class _HalfSink:
    """Writes the first half of what it is given."""

    def __init__(self, sink: ArtifactWriter) -> None:
        self._sink = sink

    def write(self, data: bytes, /) -> int:
        return self._sink.write(data[: len(data) // 2])

    def sync(self) -> int:
        return self._sink.sync()


class FlakyProvider:
    """`BatchProvider` against a `FlakyServer`."""

    def __init__(self, server: FlakyServer) -> None:
        self._client = FlakyClient(server)

    @property
    def client(self) -> FlakyClient:
        return self._client

    @property
    def tokens(self) -> FakeTokenCounter:
        return FakeTokenCounter()

    def codec(self, schema: OutputSchema | None) -> FakeCodec:  # noqa: ARG002  the port's signature
        return FakeCodec()

    def close(self) -> None:
        """Nothing is held."""


class FlakyProviderFactory:
    """`ProviderFactory`: give it to a runner as `providers={"fake": FlakyProviderFactory(server)}`."""

    def __init__(self, server: FlakyServer) -> None:
        self._server = server
        self._plain = FakeProviderFactory(server)

    def config_from_stored(self, stored: JsonObject) -> FakeProviderConfig:
        return self._plain.config_from_stored(stored)

    def strict_schema(self, name: str, schema: JsonObject) -> JsonObject:
        return self._plain.strict_schema(name, schema)

    def connect(self, config: object) -> FlakyProvider:  # noqa: ARG002  the port's signature
        return FlakyProvider(self._server)


def _unavailable(message: str) -> ProviderUnavailableError:
    return ProviderUnavailableError(message)
