"""The artifact store of a path or a URL, as settings name it."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchor_artifacts.local_store import LocalArtifactStore
from batchor_artifacts.object_store import ObjectArtifactStore
from batchor_core.errors import ConfigurationError
from batchor_core.ports.artifacts import ArtifactStore


def artifact_store_at(place: str | Path) -> ArtifactStore:
    """A `LocalArtifactStore` for a path or a `file:///…` URL, an `ObjectArtifactStore` for any other URL.

    `ConfigurationError` for a URL that names no store; `MissingPackageError` without the extra that it needs.
    """
    if isinstance(place, Path) or "://" not in place:
        return LocalArtifactStore(place)
    url = urlsplit(place)
    if url.scheme != "file":
        return ObjectArtifactStore(place)
    if url.netloc or url.query or url.fragment or not url.path.startswith("/"):
        raise ConfigurationError(f"{place!r} is no file URL of this machine; give file:///FOLDER, or the path alone")
    return LocalArtifactStore(unquote(url.path))
