"""Which server a command talks to, and with which key."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from batchor import OpenAIBatchProvider, OpenAIProviderConfig
from batchor_cli.options import Access
from batchor_core.domain.job import ProviderConfig, StoredJob
from batchor_core.errors import ConfigurationError, MissingCredentialsError
from batchor_core.plugins import provider_named
from batchor_core.ports.state import StateStore
from batchor_openai.base_url import STORED_LOOPBACK

_ANY_LOOPBACK = "http://127.0.0.1/v1"


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go; None leaves it to the environment or to what is stored."""

    base_url: str | None = None
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"


@contextmanager
def target_of(access: Access, *, store: StateStore, sandbox: bool) -> Generator[Target]:
    """The server that the options name; the sandbox's runs as long as the context."""
    if not sandbox:
        if access.faults.any:
            raise ConfigurationError("--fault, --fault-preset and --faults are for rehearsals; add --sandbox")
        yield Target(access.base_url, _key_from(access.api_key_env))
        return
    if access.base_url is not None or access.api_key_env is not None:
        raise ConfigurationError("--sandbox brings its own server; leave --base-url and --api-key-env out")
    from batchor_cli.sandbox import SANDBOX_KEY, running_sandbox

    with running_sandbox(store, access.faults) as base_url:
        yield Target(base_url, SANDBOX_KEY)


def stored_config(
    store: StateStore, run_id: str, *, target: Target, poll_interval_s: float | None
) -> OpenAIProviderConfig | None:
    """The run's stored configuration, aimed at *target*; None when nothing is added to it."""
    if target == Target() and poll_interval_s is None:
        return None
    with store.reading() as uow:
        job = StoredJob.from_json(uow.runs.get(run_id).config)
    if job.provider != "openai":
        raise ConfigurationError(
            f"run {run_id!r} is of the provider {job.provider!r}, which brings its own settings; "
            "leave --base-url, --api-key-env, --poll-interval-s and --sandbox out"
        )
    given = {} if target.base_url is None else {"base_url": target.base_url}
    config = OpenAIBatchProvider.config_from_stored({**job.provider_config, **given})
    usual_s = config.poll_interval_s
    return replace(
        config, api_key=target.api_key, poll_interval_s=usual_s if poll_interval_s is None else poll_interval_s
    )


def stored_terms(job: StoredJob) -> ProviderConfig | None:
    """What a stored job says of its provider's window and queue, for showing it; None where that cannot be told here."""
    stored = job.provider_config
    if stored.get("base_url") == STORED_LOOPBACK:
        # Any address on this machine will do: nothing is sent there.
        stored = {**stored, "base_url": _ANY_LOOPBACK}
    try:
        return provider_named(job.provider).config_from_stored(stored)
    except ConfigurationError:
        return None


def _key_from(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise MissingCredentialsError(f"--api-key-env: the environment variable {variable} is not set")
    return key
