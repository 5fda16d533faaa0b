"""The OpenAI Batch API as a provider of batchor."""

from batchor_openai.client import OpenAIBatchClient
from batchor_openai.config import OpenAIEndpoint, OpenAIEnqueueLimitConfig, OpenAIProviderConfig
from batchor_openai.provider import OpenAIBatchProvider
from batchor_openai.request_codec import OpenAIRequestCodec
from batchor_openai.tokens import OpenAITokenCounter

__all__ = [
    "OpenAIBatchClient",
    "OpenAIBatchProvider",
    "OpenAIEndpoint",
    "OpenAIEnqueueLimitConfig",
    "OpenAIProviderConfig",
    "OpenAIRequestCodec",
    "OpenAITokenCounter",
]
