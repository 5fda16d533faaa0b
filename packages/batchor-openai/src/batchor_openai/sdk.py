"""The OpenAI SDK: made on first use, called in one way, its errors turned into batchor's."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from batchor_core.errors import ProviderError
from batchor_openai.config import OpenAIProviderConfig
from batchor_openai.errors import Refusal, refusal_error, unclear_error

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

_CONNECT_TIMEOUT_S = 15.0


class Sdk:
    """One SDK client for all threads.

    It repeats nothing by itself: when to try again is the core's to decide, and a creation must not be made twice.
    It follows no redirect, so the key goes to the configured host only.
    """

    def __init__(self, config: OpenAIProviderConfig) -> None:
        self._config = config
        self._lock = Lock()
        self._client: OpenAI | None = None
        self._key: str | None = None

    def check_key(self) -> None:
        """`MissingCredentialsError` when there is no key."""
        self._current_key()

    def call[AnswerT](self, name: str, act: Callable[["OpenAI"], AnswerT]) -> AnswerT:
        """What *act* returns, given the SDK's client; what goes wrong is raised as a `ProviderError` that names the call."""
        client = self._connected()
        try:
            return act(client)
        except Exception as error:
            failure = self._failure(name, error)
            if failure is None:
                raise
        # Raised outside of the handler: the SDK's error holds the request with its Authorization header,
        # and must not travel along as the context of ours.
        raise failure

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> "OpenAI":
        with self._lock:
            if self._client is None:
                self._client = _connect(self._config, self._current_key)
            return self._client

    def _current_key(self) -> str:
        self._key = self._config.resolve_key()
        return self._key

    def _failure(self, call: str, error: Exception) -> ProviderError | None:
        """None for errors that are not the provider's: a full disk, a fault in our own code."""
        import httpx2
        import openai

        match error:
            case openai.APIStatusError():
                return refusal_error(call, _refusal(error), key=self._key)
            case openai.APITimeoutError() | httpx2.TimeoutException():
                return unclear_error(call, f"no answer within {self._config.request_timeout_s:g} s", key=self._key)
            case openai.APIConnectionError() | httpx2.HTTPError() | httpx2.StreamError():
                return unclear_error(call, f"the connection failed ({_cause(error)})", key=self._key)
            case openai.OpenAIError():
                return unclear_error(call, str(error), key=self._key)
            case _:
                return None


def _connect(config: OpenAIProviderConfig, key: Callable[[], str]) -> "OpenAI":
    import httpx2
    import openai

    timeout = httpx2.Timeout(config.request_timeout_s, connect=min(config.request_timeout_s, _CONNECT_TIMEOUT_S))
    return openai.OpenAI(
        api_key=key,
        base_url=config.resolved_base_url,
        organization=config.resolved_organization,
        project=config.resolved_project,
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultHttpxClient(timeout=timeout, follow_redirects=False),
    )


def _refusal(error: "APIStatusError") -> Refusal:
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("message")
    return Refusal(
        status_code=error.status_code,
        code=error.code,
        type=error.type if isinstance(error.type, str) else None,
        message=message if isinstance(message, str) else error.message,
        headers=error.response.headers,
    )


def _cause(error: BaseException) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"
