"""Connect: a stored run with its provider, so that this process can drive it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from batchor_core.application.context import RunContext, Services
from batchor_core.application.cycle import Cycle
from batchor_core.application.ingest import Ingestion
from batchor_core.application.output_lines import LineReader
from batchor_core.application.output_model import find_model
from batchor_core.domain.job import BatchJob, OutputModel, ProviderConfig, StoredJob
from batchor_core.domain.run import RunRecord
from batchor_core.errors import ConfigChangedError
from batchor_core.plugins import provider_named
from batchor_core.ports.provider import BatchProvider, ProviderFactory
from batchor_core.ports.sources import CheckpointedItemSource


@dataclass(slots=True)
class Providers:
    """The providers that a runner knows and has opened."""

    given: Mapping[str, ProviderFactory]
    """Factories by name, before those that are registered."""
    opened: list[tuple[ProviderConfig, BatchProvider]] = field(default_factory=list)
    """Runs of one configuration share a provider, so that a process may drive any number of them."""

    def factory(self, name: str) -> ProviderFactory:
        return self.given[name] if name in self.given else provider_named(name)

    def connect(self, config: ProviderConfig) -> BatchProvider:
        for known, provider in self.opened:
            if known == config:
                return provider
        provider = self.factory(config.provider).connect(config)
        self.opened.append((config, provider))
        return provider

    def close(self) -> None:
        while self.opened:
            _, provider = self.opened.pop()
            provider.close()


def context_of(run: RunRecord, services: Services, config: ProviderConfig) -> RunContext:
    return RunContext(
        run_id=run.run_id,
        tag=run.tag,
        job=StoredJob.from_json(run.config),
        services=services,
        enqueue_limits=config.enqueue_limits,
        quota_scope=config.quota_scope,
        poll_interval=timedelta(seconds=config.poll_interval_s),
        completion_window=timedelta(seconds=config.completion_window_s),
    )


def connect_for_job(
    run: RunRecord,
    job: BatchJob[Any, Any],
    *,
    source: CheckpointedItemSource[Any],
    services: Services,
    provider: BatchProvider,
) -> Cycle:
    """A cycle that also ingests."""
    ctx = context_of(run, services, job.provider_config)
    codec = provider.codec(ctx.job.output_schema)
    limits = ctx.enqueue_limits
    counts_tokens = limits is not None and limits.max_batch_tokens is not None
    ingestion = Ingestion(ctx, job, source=source, codec=codec, tokens=provider.tokens if counts_tokens else None)
    reader = LineReader(run.tag, codec, job.structured_output)
    return Cycle(ctx, provider=provider, reader=reader, ingestion=ingestion)


def connect_stored(
    run: RunRecord,
    *,
    services: Services,
    providers: Providers,
    config: ProviderConfig | None,
    model: type[OutputModel] | None,
    may_import: bool,
) -> Cycle:
    """A cycle for a run whose job is not at hand: all but its ingestion.

    *config* and *model* stand in for what is not stored (the key, a local class); else the
    environment and the stored reference give them. `MissingCredentialsError` when there is no key.
    """
    stored = StoredJob.from_json(run.config)
    factory = providers.factory(stored.provider)
    if config is None:
        config = factory.config_from_stored(stored.provider_config)
    elif differences := stored.differences(replace(stored, provider_config=config.to_stored())):
        raise ConfigChangedError(run.run_id, differences=differences)
    schema = stored.output_schema
    found = None if schema is None else find_model(schema, given=model, may_import=may_import)
    provider = providers.connect(config)
    provider.client  # noqa: B018  raises here, before a step is taken, when there is no key
    ctx = context_of(run, services, config)
    reader = LineReader(run.tag, provider.codec(schema), found)
    return Cycle(ctx, provider=provider, reader=reader, ingestion=None)
