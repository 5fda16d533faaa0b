"""OpenAI as a provider of batchor."""

from typing import Self

from batchor_core.domain.job import OutputSchema, ProviderConfig
from batchor_core.errors import ConfigurationError
from batchor_core.json_types import JsonObject
from batchor_openai.client import OpenAIBatchClient
from batchor_openai.config import OpenAIProviderConfig
from batchor_openai.request_codec import OpenAIRequestCodec
from batchor_openai.stored_config import config_from_stored
from batchor_openai.strict_schema import strict_schema
from batchor_openai.tokens import OpenAITokenCounter


class OpenAIBatchProvider:
    """One account at OpenAI, or at a server that speaks its Batch API. Opens nothing before its first call.

    The class itself is the factory that is registered as `openai`.
    """

    def __init__(self, config: OpenAIProviderConfig) -> None:
        self._config = config
        self._client = OpenAIBatchClient(config)
        self._tokens = OpenAITokenCounter(config.model)

    @property
    def client(self) -> OpenAIBatchClient:
        """`MissingCredentialsError` when no key is to be found."""
        self._client.check_key()
        return self._client

    @property
    def tokens(self) -> OpenAITokenCounter:
        return self._tokens

    def codec(self, schema: OutputSchema | None) -> OpenAIRequestCodec:
        """A codec for answers of *schema*, None for text."""
        return OpenAIRequestCodec(self._config, schema)

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def config_from_stored(stored: JsonObject) -> OpenAIProviderConfig:
        """The configuration that `to_stored` gave; the key comes from the environment."""
        return config_from_stored(stored)

    @staticmethod
    def strict_schema(name: str, schema: JsonObject) -> JsonObject:
        """*schema* as OpenAI is to be given it, or `SchemaNotStrictError` with every fault."""
        return strict_schema(name, schema)

    @classmethod
    def connect(cls, config: ProviderConfig) -> Self:
        """A provider for *config*; `ConfigurationError` for a configuration of another one."""
        if not isinstance(config, OpenAIProviderConfig):
            raise ConfigurationError(f"OpenAIBatchProvider needs an OpenAIProviderConfig, not {type(config).__name__}")
        return cls(config)
