"""Finds adapters by name: first-party ones in a static table, third-party ones by entry point.

A third party registers its adapter in its own `pyproject.toml`:

```toml
[project.entry-points."batchor.storages"]
acme = "batchor_acme:AcmeStorage"
```
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from batchor_core.errors import MissingPackageError, UnknownAdapterError
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.provider import ProviderFactory
from batchor_core.ports.state import StateStore
from batchor_core.ports.system import Clock


class AdapterKind(StrEnum):
    """What can be registered; the value is the entry-point group."""

    STORAGE = "batchor.storages"
    PROVIDER = "batchor.providers"


@dataclass(frozen=True, slots=True)
class _FirstParty:
    module: str
    attribute: str
    package: str


_FIRST_PARTY: Mapping[AdapterKind, Mapping[str, _FirstParty]] = {
    AdapterKind.STORAGE: {
        "memory": _FirstParty("batchor_core.adapters.memory_state", "MemoryStateStore", "batchor-core"),
        "sqlite": _FirstParty("batchor_sqlite", "SQLiteStorage", "batchor-sqlite"),
        "postgres": _FirstParty("batchor_postgres", "PostgresStorage", "batchor-postgres"),
    },
    AdapterKind.PROVIDER: {
        "openai": _FirstParty("batchor_openai", "OpenAIBatchProvider", "batchor-openai"),
    },
}
_LOCAL_ARTIFACTS = _FirstParty("batchor_artifacts", "LocalArtifactStore", "batchor-artifacts")
_MEMORY_ARTIFACTS = _FirstParty("batchor_core.adapters.memory_artifacts", "MemoryArtifactStore", "batchor-core")
_SYSTEM_CLOCK = _FirstParty("batchor_core.adapters.system", "SystemClock", "batchor-core")


def storage_named(name: str) -> StateStore:
    """A storage with its defaults, by its registered name."""
    return cast("Callable[[], StateStore]", _find(AdapterKind.STORAGE, name))()


def provider_named(name: str) -> ProviderFactory:
    """The factory of a provider, by its registered name."""
    return cast("ProviderFactory", _find(AdapterKind.PROVIDER, name))


def default_storage() -> StateStore:
    """SQLite, at its default place; `MissingPackageError` where it is not installed."""
    if find_spec(_FIRST_PARTY[AdapterKind.STORAGE]["sqlite"].module) is None:
        raise MissingPackageError('a durable run (or pass storage="memory")', package="batchor-sqlite")
    return storage_named("sqlite")


def default_artifacts(root: Path | None) -> ArtifactStore:
    """A store for artifacts in the folder *root*; None: in memory."""
    if root is None:
        return cast("Callable[[], ArtifactStore]", _load(_MEMORY_ARTIFACTS, "memory"))()
    return cast("Callable[[Path], ArtifactStore]", _load(_LOCAL_ARTIFACTS, "keeping artifacts on disk"))(root)


def default_clock() -> Clock:
    """The operating system's clock."""
    return cast("Callable[[], Clock]", _load(_SYSTEM_CLOCK, "time"))()


def _find(kind: AdapterKind, name: str) -> object:
    first_party = _FIRST_PARTY[kind].get(name)
    if first_party is not None:
        return _load(first_party, f"{name!r}")
    # Imported here: it costs 90 ms, and first-party names never need it.
    from importlib.metadata import entry_points

    found = {entry.name: entry for entry in entry_points(group=kind.value)}
    if name not in found:
        word = kind.name.lower()
        raise UnknownAdapterError(word, name, known=sorted({*_FIRST_PARTY[kind], *found}))
    return cast("object", found[name].load())


def _load(adapter: _FirstParty, what: str) -> object:
    try:
        module = importlib.import_module(adapter.module)
    except ModuleNotFoundError as error:
        if error.name != adapter.module:
            raise
        raise MissingPackageError(what, package=adapter.package) from None
    return cast("object", getattr(module, adapter.attribute))
