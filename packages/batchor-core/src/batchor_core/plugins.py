"""Finds adapters by name: first-party ones in a static table, third-party ones by entry point.

A third party registers its adapter in its own `pyproject.toml`:

```toml
[project.entry-points."batchor.storages"]
acme = "batchor_acme:AcmeStorage"
```

A storage is a callable: without arguments it makes the storage at its default place, with `url=` the one at that URL.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from batchor_core.errors import ConfigurationError, MissingPackageError, UnknownAdapterError
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
_SCHEME = re.compile(r"([a-z][a-z0-9.-]*)(?:\+[a-z0-9]+)?://", re.ASCII | re.IGNORECASE)
_STORAGE_OF_SCHEME = {"postgres": "postgres", "postgresql": "postgres"}
"""Where the scheme of a URL is not the storage's name."""

_LOCAL_ARTIFACTS = _FirstParty("batchor_artifacts", "LocalArtifactStore", "batchor-artifacts")
_ARTIFACTS_AT = _FirstParty("batchor_artifacts", "artifact_store_at", "batchor-artifacts")
_MEMORY_ARTIFACTS = _FirstParty("batchor_core.adapters.memory_artifacts", "MemoryArtifactStore", "batchor-core")
_SYSTEM_CLOCK = _FirstParty("batchor_core.adapters.system", "SystemClock", "batchor-core")


def storage_named(name: str, *, url: str | None = None) -> StateStore:
    """A storage by its registered name: at its default place, or at *url*.

    `UnknownAdapterError` when nobody registered the name; `ConfigurationError` when the storage takes no URL,
    cannot do without one, or cannot be loaded.
    """
    factory = cast("Callable[..., StateStore]", _find(AdapterKind.STORAGE, name))
    if name == "sqlite":
        return factory() if url is None else factory(path=sqlite_path(url))
    given = {} if url is None else {"url": url}
    _check_call(name, factory, given)
    return factory(**given)


def storage_of_url(url: str) -> str:
    """The name of the storage that *url* is for: `postgresql://…` is for postgres, any other scheme for its namesake."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ConfigurationError(
            "the URL of a storage begins with its scheme, as sqlite:///runs.sqlite3 or postgresql://host/name do; "
            "correct it, or give a file of SQLite as a path"
        )
    name = scheme[1].lower()
    return _STORAGE_OF_SCHEME.get(name, name)


def is_first_party_storage(name: str) -> bool:
    """Whether the storage is one of batchor's own, each of which takes URLs of its own scheme only."""
    return name in _FIRST_PARTY[AdapterKind.STORAGE]


def sqlite_path(url: str) -> Path:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` names; `%20` is a space."""
    parts = urlsplit(url)
    file = unquote(parts.path[1:])
    if parts.scheme.lower() != "sqlite" or parts.netloc or not file or file == ":memory:":
        raise ConfigurationError(
            "the URL of an SQLite file has three slashes before a relative path, as in sqlite:///runs/state.sqlite3, "
            'and four before an absolute one; for a run in memory, name the storage "memory" and give no URL'
        )
    if parts.query or parts.fragment:
        raise ConfigurationError("the URL of an SQLite file takes no options: remove what follows ? or #")
    return Path(file)


def provider_named(name: str) -> ProviderFactory:
    """The factory of a provider, by its registered name."""
    return cast("ProviderFactory", _find(AdapterKind.PROVIDER, name))


def default_storage() -> StateStore:
    """SQLite, at its default place; `MissingPackageError` where it is not installed."""
    if find_spec(_FIRST_PARTY[AdapterKind.STORAGE]["sqlite"].module) is None:
        raise MissingPackageError('a durable run (or pass storage="memory")', package="batchor-sqlite")
    return storage_named("sqlite")


def artifacts_beside(store: StateStore) -> ArtifactStore:
    """Where *store* wants the artifacts of its runs to be.

    A storage that several hosts share may have no such place: reading its runs needs none, and all else says so then.
    """
    try:
        root = store.artifact_root
    except ConfigurationError as error:
        return cast("ArtifactStore", _NoArtifacts(error))
    return default_artifacts(root)


class _NoArtifacts:
    """Raises at the first use of it."""

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error


def default_artifacts(root: Path | None) -> ArtifactStore:
    """A store for artifacts in the folder *root*; None: in memory."""
    if root is None:
        return cast("Callable[[], ArtifactStore]", _load(_MEMORY_ARTIFACTS, "memory"))()
    return cast("Callable[[Path], ArtifactStore]", _load(_LOCAL_ARTIFACTS, "keeping artifacts on disk"))(root)


def artifacts_at(place: str) -> ArtifactStore:
    """The store for artifacts in a folder, or at a URL such as `s3://bucket/prefix`."""
    if "://" not in place:
        return default_artifacts(Path(place))
    return cast("Callable[[str], ArtifactStore]", _load(_ARTIFACTS_AT, "keeping artifacts at a URL"))(place)


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
    try:
        return cast("object", found[name].load())
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{name!r} is registered as {found[name].value}, which cannot be loaded ({error}); "
            "update the package that brings it, or remove it"
        ) from error


def _check_call(name: str, factory: Callable[..., object], given: Mapping[str, str]) -> None:
    """Refuse a call that the factory's signature does not allow; a `TypeError` from within it is its own fault."""
    import inspect

    try:
        inspect.signature(factory).bind(**given)
    except TypeError:
        problem, remedy = ("takes no URL", "leave it out") if given else ("needs a URL", "give one")
        raise ConfigurationError(f"the storage {name!r} {problem}; {remedy}") from None


def _load(adapter: _FirstParty, what: str) -> object:
    try:
        module = importlib.import_module(adapter.module)
    except ModuleNotFoundError as error:
        if error.name != adapter.module:
            raise
        raise MissingPackageError(what, package=adapter.package) from None
    return cast("object", getattr(module, adapter.attribute))
