"""The OpenAI provider against the contract, over a real socket."""

import json
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest

from batchor_core.domain.job import OutputSchema
from batchor_core.ports.provider import BatchClient, BatchProvider, ProviderFactory, RequestCodec
from batchor_emulator import EmulatorProcess
from batchor_openai import OpenAIBatchProvider, OpenAIEndpoint, OpenAIProviderConfig
from batchor_testkit.provider_contract import BatchClientContract, RequestCodecContract

SCHEMA = OutputSchema(
    name="River",
    schema={
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
    sha256="0" * 64,
    model_reference=None,
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(arguments=["--validation-s", "0.02", "--run-s", "0.1"]) as running:
        yield running


@pytest.fixture(params=list(OpenAIEndpoint), ids=["responses", "chat"])
def endpoint(request: pytest.FixtureRequest) -> OpenAIEndpoint:
    return OpenAIEndpoint(request.param)


class TestOpenAICodecForText(RequestCodecContract):
    @pytest.fixture
    def codec(self, endpoint: OpenAIEndpoint) -> RequestCodec:
        return provider_of(OpenAIProviderConfig(model="gpt-4.1", endpoint=endpoint)).codec(None)


class TestOpenAICodecForSchemas(RequestCodecContract):
    @pytest.fixture
    def codec(self, endpoint: OpenAIEndpoint) -> RequestCodec:
        return provider_of(OpenAIProviderConfig(model="gpt-4.1", endpoint=endpoint)).codec(SCHEMA)


class TestOpenAIClient(BatchClientContract):
    @pytest.fixture
    def provider(self, emulator: EmulatorProcess, endpoint: OpenAIEndpoint) -> Iterator[BatchProvider]:
        config = OpenAIProviderConfig(
            model="gpt-4.1", api_key="sk-test", base_url=emulator.base_url, endpoint=endpoint, request_timeout_s=30
        )
        provider = provider_of(config)
        yield provider
        provider.close()

    @pytest.fixture
    def client(self, provider: BatchProvider) -> BatchClient:
        return provider.client

    @pytest.fixture
    def codec(self, provider: BatchProvider) -> RequestCodec:
        return provider.codec(SCHEMA)

    @pytest.fixture
    def count_creations(self, emulator: EmulatorProcess) -> Callable[[], int]:
        def count() -> int:
            with urlopen(f"{emulator.url}/emulator/requests", timeout=10) as answer:  # noqa: S310  our own http server
                return int(json.load(answer).get("POST /v1/batches", 0))

        return count


def provider_of(config: OpenAIProviderConfig) -> BatchProvider:
    factory: ProviderFactory = OpenAIBatchProvider
    return factory.connect(config)
