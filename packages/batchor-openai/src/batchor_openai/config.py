"""What a job says about OpenAI."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.job import OPERATION
from batchor_core.errors import ConfigurationError, MissingCredentialsError
from batchor_core.json_types import JsonObject
from batchor_openai.base_url import base_url_to_store, check_base_url, resolve_base_url
from batchor_openai.extra_body import check_extra_body

PROVIDER_NAME = "openai"
ORGANIZATION_VARIABLE = "OPENAI_ORG_ID"
PROJECT_VARIABLE = "OPENAI_PROJECT_ID"
_SHORTEST_EXPIRY_S = 3_600
_LONGEST_EXPIRY_S = 2_592_000


class OpenAIEndpoint(StrEnum):
    """Which API answers the requests of a batch."""

    RESPONSES = "/v1/responses"
    CHAT_COMPLETIONS = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class OpenAIEnqueueLimitConfig(EnqueueLimits):
    """OpenAI's limit of enqueued prompt tokens per model and organization, and how much of it to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIProviderConfig:
    """A model at OpenAI, or at a server that speaks its Batch API.

    `api_key` is a string or a function that returns one, asked anew for each call; None: `OPENAI_API_KEY`, read at the
    first call. It is never stored or shown. `base_url`, `organization` and `project` come from
    `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID` where they are None, and are stored as they were
    then; the URL must be https unless it leads to this machine.

    `request_timeout_s` is how long one HTTP call may go without progress, `poll_interval_s` how long to wait between two
    looks at a batch: batches take minutes to hours, and a look at each every 30 s stays far below any rate limit.
    `max_output_tokens` bounds the answer, reasoning included. `seed` exists for chat completions only.
    `files_expire_after_s` lets OpenAI delete input, output and error files so many seconds after they were made: an hour to
    30 days; None: it keeps them as long as it does by itself.
    `extra_body` is merged into each request; a field that batchor sets itself is refused.

    Values that cannot work raise `ConfigurationError`.
    """

    model: str
    api_key: str | Callable[[], str] | None = field(default=None, repr=False, compare=False)
    base_url: str | None = None
    organization: str | None = None
    project: str | None = None
    endpoint: OpenAIEndpoint = OpenAIEndpoint.RESPONSES
    completion_window: str = "24h"
    request_timeout_s: float = 120.0
    poll_interval_s: float = 30.0
    reasoning_effort: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    files_expire_after_s: int | None = None
    enqueue_limits: EnqueueLimits | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", _endpoint(self.endpoint))
        object.__setattr__(self, "extra_body", check_extra_body(self.extra_body))
        if self.base_url is not None:
            object.__setattr__(self, "base_url", check_base_url(self.base_url, origin="base_url"))
        _check_values(self)

    @property
    def provider(self) -> str:
        return PROVIDER_NAME

    @property
    def quota_scope(self) -> str:
        """The queue of enqueued tokens: OpenAI has one for each model and organization (or project with limits of its own)."""
        if self.enqueue_limits is not None and self.enqueue_limits.quota_scope is not None:
            return self.enqueue_limits.quota_scope
        owner = [base_url_to_store(self.resolved_base_url), self.resolved_organization, self.resolved_project]
        return " ".join([*(part for part in owner if part), self.model])

    @property
    def completion_window_s(self) -> float:
        """The completion window in seconds, by its number of hours, or a day where that cannot be read."""
        hours = self.completion_window.removesuffix("h")
        return float(hours) * 3600 if hours.isdigit() else 86_400.0

    @property
    def resolved_base_url(self) -> str:
        """Where the API is, by now: `base_url`, else `OPENAI_BASE_URL`, else OpenAI's own."""
        return resolve_base_url(self.base_url)

    @property
    def resolved_organization(self) -> str | None:
        return self.organization or os.environ.get(ORGANIZATION_VARIABLE) or None

    @property
    def resolved_project(self) -> str | None:
        return self.project or os.environ.get(PROJECT_VARIABLE) or None

    def resolve_key(self) -> str:
        """The key; `MissingCredentialsError` when there is none."""
        given = self.api_key if self.api_key is None or isinstance(self.api_key, str) else self.api_key()
        key = (given or os.environ.get("OPENAI_API_KEY", "")).strip()
        if not key:
            raise MissingCredentialsError(
                "there is no OpenAI key: set OPENAI_API_KEY, or give OpenAIProviderConfig(api_key=…)"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise MissingCredentialsError("the OpenAI key holds characters that no key has; copy it again")
        return key

    def to_stored(self) -> JsonObject:
        """Everything but the key, as JSON; `config_from_stored` reads it back.

        Equal configurations give equal JSON, also across versions: what is unset is left out. Every server on this
        machine counts as the same `base_url`, whatever its port. Timeouts and intervals may differ between processes.
        """
        stored: dict[str, Any] = {name: getattr(self, name) for name in STORED_FIELDS - OPERATION_FIELDS}
        stored[OPERATION] = _without_none({name: getattr(self, name) for name in sorted(OPERATION_FIELDS)})
        stored["base_url"] = base_url_to_store(self.resolved_base_url)
        stored["organization"] = self.resolved_organization
        stored["project"] = self.resolved_project
        stored["endpoint"] = self.endpoint.value
        stored["extra_body"] = dict(self.extra_body) or None
        if self.enqueue_limits is not None:
            stored["enqueue_limits"] = _without_none(asdict(self.enqueue_limits))
        return _without_none(stored)


OPERATION_FIELDS = frozenset({"files_expire_after_s", "poll_interval_s", "request_timeout_s"})
STORED_FIELDS = frozenset(field.name for field in fields(OpenAIProviderConfig)) - {"api_key"}


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _endpoint(value: str) -> OpenAIEndpoint:
    try:
        return OpenAIEndpoint(value)
    except ValueError:
        known = ", ".join(repr(endpoint.value) for endpoint in OpenAIEndpoint)
        raise ConfigurationError(
            f"endpoint {value!r} is not one that batchor reads answers of; known: {known}"
        ) from None


def _check_values(config: OpenAIProviderConfig) -> None:
    _require_text("model", config.model)
    _require_text("completion_window", config.completion_window)
    for name in ("reasoning_effort", "organization", "project"):
        if (value := getattr(config, name)) is not None:
            _require_text(name, value)
    _require_number("request_timeout_s", config.request_timeout_s, above=0)
    _require_number("poll_interval_s", config.poll_interval_s, above=0)
    _require_range("temperature", config.temperature, at_most=2)
    _require_range("top_p", config.top_p, at_most=1)
    _require_integer("max_output_tokens", config.max_output_tokens, at_least=1)
    _require_integer("seed", config.seed, at_least=None)
    _require_integer("files_expire_after_s", config.files_expire_after_s, at_least=_SHORTEST_EXPIRY_S)
    if config.files_expire_after_s is not None and config.files_expire_after_s > _LONGEST_EXPIRY_S:
        raise ConfigurationError(f"files_expire_after_s must be at most {_LONGEST_EXPIRY_S}, which are 30 days")
    if config.seed is not None and config.endpoint is OpenAIEndpoint.RESPONSES:
        raise ConfigurationError("seed is for endpoint=OpenAIEndpoint.CHAT_COMPLETIONS only; leave it out")
    if config.enqueue_limits is not None and not isinstance(config.enqueue_limits, EnqueueLimits):
        raise ConfigurationError("enqueue_limits must be an OpenAIEnqueueLimitConfig")


def _require_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ConfigurationError(f"{name} must be text of at least one character, not {value!r}")


def _require_number(name: str, value: object, *, above: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= above:
        raise ConfigurationError(f"{name} must be a number above {above:g}, not {value!r}")


def _require_range(name: str, value: object, *, at_most: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= at_most:
        raise ConfigurationError(f"{name} must lie between 0 and {at_most:g}, not {value!r}")


def _require_integer(name: str, value: object, *, at_least: int | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or (at_least is not None and value < at_least):
        bound = "" if at_least is None else f" of at least {at_least}"
        raise ConfigurationError(f"{name} must be a whole number{bound}, not {value!r}")
