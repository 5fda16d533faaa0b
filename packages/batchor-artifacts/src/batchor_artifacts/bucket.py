"""A bucket (or container, or folder) with a prefix, as its URL names it: the only place that asks for objects."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from batchor_artifacts.bucket_faults import told_as_artifact_error
from batchor_artifacts.parts import StoredKey
from batchor_core.errors import ArtifactError, ConfigurationError, MissingPackageError
from batchor_core.private_folder import make_private_folder

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_SCHEMES = ("s3", "s3a", "gs", "az", "file", "memory")
_KEYS_A_LISTING = 1_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store is asked again."""

    max_retries: int
    retry_timeout_s: float
    request_timeout_s: float


class Bucket:
    """Keys below the URL's prefix; no other can be reached. Every fault is an `ArtifactError`."""

    def __init__(self, url: str, *, patience: Patience) -> None:
        parts = _checked(url)
        self.place = url.rstrip("/") if parts.netloc else url
        self._store = _opened(url, parts, patience)

    def put(self, key: str, data: bytes | bytearray) -> None:
        import obstore

        with self._faults("write", key):
            # One request, not a multipart upload: nothing of it remains when this process dies in the middle.
            obstore.put(self._store, key, data, use_multipart=False)

    def copy(self, key: str, *, to: str) -> None:
        import obstore

        with self._faults("copy", key):
            obstore.copy(self._store, key, to)

    def get(self, key: str, *, offset: int, length: int) -> memoryview:
        """That range of a key that was listed, whole."""
        import obstore

        with self._faults("read", key):
            try:
                data = memoryview(obstore.get_range(self._store, key, start=offset, length=length))
            except FileNotFoundError:
                data = memoryview(b"")
        if len(data) == length:
            return data
        raise ArtifactError(
            f"{key!r} in {self.place} is gone or shorter than it was listed: "
            "it was replaced or deleted meanwhile; open it again, or restore it from a backup"
        )

    def keys(self, folder: str) -> Iterator[StoredKey]:
        """All keys below *folder*; all there are for an empty one. Requests: one for 1,000 keys."""
        import obstore

        with self._faults("list", folder):
            for page in obstore.list(self._store, folder or None, chunk_size=_KEYS_A_LISTING):
                for found in page:
                    yield StoredKey(found["path"], found["size"], found["last_modified"])

    def remove(self, keys: Sequence[str]) -> None:
        """Delete *keys*; those that are gone already are no fault."""
        import obstore

        if not keys:
            return
        with self._faults("delete", keys[0]):
            try:
                obstore.delete(self._store, keys)
            except FileNotFoundError:
                # Some stores stop at the first that is missing: another process deletes the same ones.
                for key in keys:
                    with suppress(FileNotFoundError):
                        obstore.delete(self._store, key)

    def _faults(self, action: str, key: str) -> AbstractContextManager[None]:
        return told_as_artifact_error(action, what=repr(key), place=self.place)


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ConfigurationError(
            f"{parts.scheme or 'an artifact URL without a scheme'!r} is no kind of artifact store; "
            f"give a URL that begins with {', '.join(f'{scheme}://' for scheme in _SCHEMES)}"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        # What stands there may be a secret, and is not shown.
        raise ConfigurationError(
            f"the {parts.scheme}:// URL of the artifacts has a user, a query or a fragment; give scheme, bucket and "
            "prefix only, and put credentials into the environment"
        )
    if not parts.netloc and parts.scheme not in {"file", "memory"}:
        raise ConfigurationError(f"{url!r} names no bucket; give {parts.scheme}://BUCKET/PREFIX")
    return parts


def _opened(url: str, parts: SplitResult, patience: Patience) -> "ObjectStore":
    try:
        from obstore.store import LocalStore, MemoryStore, from_url
    except ImportError:
        raise MissingPackageError(
            f"the artifact store at {parts.scheme}://", package="'batchor-artifacts[object-store]'"
        ) from None
    with told_as_artifact_error("open", what="the artifact store", place=url):
        if parts.scheme == "memory":
            return MemoryStore()
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            make_private_folder(folder)
            return LocalStore(folder)
        return from_url(
            url,
            client_options={
                "timeout": timedelta(seconds=patience.request_timeout_s),
                # These options replace what the library reads from the environment.
                "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true"},
            },
            retry_config={
                "max_retries": patience.max_retries,
                "retry_timeout": timedelta(seconds=patience.retry_timeout_s),
            },
        )
