"""A stored configuration, read back."""

from typing import Any

import msgspec

from batchor_core.domain.job import OPERATION
from batchor_core.errors import ConfigurationError
from batchor_core.json_types import JsonObject
from batchor_openai.base_url import base_url_from_stored
from batchor_openai.config import (
    ORGANIZATION_VARIABLE,
    PROJECT_VARIABLE,
    STORED_FIELDS,
    OpenAIEnqueueLimitConfig,
    OpenAIProviderConfig,
)


def config_from_stored(stored: JsonObject) -> OpenAIProviderConfig:
    """The configuration that `to_stored` gave; the key comes from the environment.

    `ConfigurationError` when the run was sent to a server on this machine and `OPENAI_BASE_URL` names none, when the
    environment names an organization or project for a run that was sent without one, or when another version of batchor
    stored fields that this one does not know.
    """
    # A copy as plain JSON: what a store hands out may be any kind of mapping.
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(stored)), type=dict[str, Any])
    values.update(values.pop(OPERATION, {}))
    _check_names(values)
    values["base_url"] = base_url_from_stored(values["base_url"])
    if "enqueue_limits" in values:
        values["enqueue_limits"] = OpenAIEnqueueLimitConfig(**values["enqueue_limits"])
    config = OpenAIProviderConfig(**values)
    _check_account(config)
    return config


def _check_account(config: OpenAIProviderConfig) -> None:
    """Refuse an account that the run does not have: its batches would be looked for where they are not, and sent again."""
    given = {
        ORGANIZATION_VARIABLE: (config.organization, config.resolved_organization),
        PROJECT_VARIABLE: (config.project, config.resolved_project),
    }
    for variable, (stored, resolved) in given.items():
        if stored != resolved:
            raise ConfigurationError(
                f"this run was sent without what {variable} names now ({resolved!r}), so its batches are not there; "
                f"unset {variable}, or start a new run"
            )


def _check_names(values: dict[str, Any]) -> None:
    unknown = sorted(values.keys() - STORED_FIELDS)
    missing = sorted({"model", "base_url"} - values.keys())
    if unknown or missing:
        problem = f"unknown: {', '.join(unknown)}" if unknown else f"missing: {', '.join(missing)}"
        raise ConfigurationError(f"the stored OpenAI configuration is of another version ({problem}); upgrade batchor")
