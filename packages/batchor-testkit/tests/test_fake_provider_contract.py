from collections.abc import Callable

import pytest

from batchor_core.adapters.system import SystemClock
from batchor_core.ports.provider import BatchClient, RequestCodec
from batchor_testkit.fake_provider import FakeClient, FakeCodec, FakeServer
from batchor_testkit.provider_contract import BatchClientContract, RequestCodecContract


class TestFakeCodec(RequestCodecContract):
    @pytest.fixture
    def codec(self) -> RequestCodec:
        return FakeCodec()


class TestFakeClient(BatchClientContract):
    @pytest.fixture
    def server(self) -> FakeServer:
        return FakeServer(SystemClock())

    @pytest.fixture
    def client(self, server: FakeServer) -> BatchClient:
        return FakeClient(server)

    @pytest.fixture
    def codec(self) -> RequestCodec:
        return FakeCodec()

    @pytest.fixture
    def count_creations(self, server: FakeServer) -> Callable[[], int]:
        return lambda: server.create_calls
