"""The composition root: from settings to a runner. The one place that knows which adapters are used.

```python
container = Container(settings=load_settings())
with container.runner() as runner:
    ...
```
"""

from datetime import timedelta

from dependency_injector import containers, providers

from batchor.settings import Settings
from batchor_core import BatchRunner, RecoveryPolicy, SlicePolicy
from batchor_core.plugins import artifacts_at, artifacts_beside, default_clock, sqlite_path, storage_named
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.state import StateStore
from batchor_core.ports.system import Clock, Observer
from batchor_sqlite import SQLiteStorage


def build_state_store(settings: Settings) -> StateStore:
    """The storage that the settings name; nothing is opened before its first use."""
    url = settings.storage_url
    if settings.storage != "sqlite":
        return storage_named(settings.storage, url=url)
    path = settings.db_path if url is None else sqlite_path(url)
    return SQLiteStorage(settings.db_name, path=path, must_exist=settings.db_must_exist)


def build_artifact_store(settings: Settings, *, state_store: StateStore) -> ArtifactStore:
    """At the place of the settings; else a folder beside the state, or memory where the state is in memory."""
    if settings.artifacts is not None:
        return artifacts_at(settings.artifacts)
    return artifacts_beside(state_store)


def build_runner(
    settings: Settings,
    *,
    state_store: StateStore,
    artifact_store: ArtifactStore,
    clock: Clock,
    observer: Observer | None,
) -> BatchRunner:
    """A runner over these ports; closing it closes the storage."""
    return BatchRunner(
        state_store,
        artifact_store=artifact_store,
        clock=clock,
        observer=observer,
        concurrency=settings.concurrency,
        lease_ttl_s=settings.lease_ttl_s,
        slice_policy=SlicePolicy(max_rows=settings.slice_rows),
        recovery_policy=RecoveryPolicy(quarantine=timedelta(seconds=settings.recovery_quarantine_s)),
    )


class Container(containers.DeclarativeContainer):
    """Everything that one process needs, each made once. `settings` must be given."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    observer: providers.Provider[Observer | None] = providers.Object(None)
    clock: providers.Provider[Clock] = providers.ThreadSafeSingleton(default_clock)
    state_store: providers.Provider[StateStore] = providers.ThreadSafeSingleton(build_state_store, settings)
    artifact_store: providers.Provider[ArtifactStore] = providers.ThreadSafeSingleton(
        build_artifact_store, settings, state_store=state_store
    )
    runner: providers.Provider[BatchRunner] = providers.ThreadSafeSingleton(
        build_runner,
        settings,
        state_store=state_store,
        artifact_store=artifact_store,
        clock=clock,
        observer=observer,
    )
