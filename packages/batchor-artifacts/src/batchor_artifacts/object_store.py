"""Artifacts as objects of a bucket."""

import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO

from batchor_artifacts.bucket import Bucket, Patience
from batchor_artifacts.part_reader import PartReader, pieces
from batchor_artifacts.part_writer import AppendingWriter, PartWriter
from batchor_artifacts.parts import (
    Layout,
    Part,
    folder_of,
    layout_of,
    marked_name,
    marker_key,
    new_writer,
    part_key,
    size_of,
)
from batchor_core.domain.artifact_name import check_artifact_name, is_artifact_name
from batchor_core.errors import ArtifactError, ArtifactNotFoundError
from batchor_core.failpoints import around
from batchor_core.ports.artifacts import ArtifactWriter

DEFAULT_PART_BYTES = 4 << 20
_READ_BUFFER_BYTES = 4 << 20


class ObjectArtifactStore:
    """The artifact port on an object store: Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure.

    *url* is `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`; the bucket must exist. For trials
    and tests also `memory://` (of this object alone) and `file:///FOLDER` (whose files are not synced: what a power
    loss takes is lost; `LocalArtifactStore` is the store for folders). Credentials, region and endpoint come from the
    environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`, ..., or the machine's role), never from the URL:
    a user or a query in it is refused with `ConfigurationError`. Without the extra `object-store` the store
    is a `MissingPackageError`. Safe for use by several threads, processes and hosts.

    Object stores have no append, so an object is a sequence of immutable parts below `NAME/_/`, and an empty marker
    that says which writer's parts count; a plain listing of the bucket shows these. The store must be strongly
    consistent, listings too: S3 (since 2020), Google and Azure are. Conditional requests are not needed.

    Requests: a sync puts one part (none when nothing is new) and lists the name once; *part_bytes* (4 MiB) that come
    together between two syncs are a part as well. Beginning to append: one listing, one marker; at a byte *n* > 0 also
    a copy within the store of each part before it. Creating: a part each 4 MiB, one listing, one marker. Open and size:
    one listing; read: one listing and one get a part. A listing is one request for 1,000 parts.

    A crash leaves what was synced, or what `create` replaced, and parts that nothing names. What was replaced or left
    unfinished more than an hour ago is removed when its name is next written; `delete` removes all. So who has an object
    open can read on for an hour after it was replaced; a reader of a deleted object gets an `ArtifactError`.
    While two writers append to one object, the last who began has it: `sync` of the other is a `LeaseLostError`.

    A request is sent again after connection errors, timeouts, 429 and 5xx, with growing pauses, *max_retries* times and
    no longer than *retry_timeout_s*; one request may take *request_timeout_s*.
    """

    def __init__(
        self,
        url: str,
        *,
        part_bytes: int = DEFAULT_PART_BYTES,
        max_retries: int = 10,
        retry_timeout_s: float = 180,
        request_timeout_s: float = 60,
    ) -> None:
        self._bucket = Bucket(url, patience=Patience(max_retries, retry_timeout_s, request_timeout_s))
        self._part_bytes = part_bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._bucket.place!r})"

    @contextmanager
    def append(self, name: str, *, at: int) -> Generator[ArtifactWriter]:
        layout = self._look(name)
        kept = self._kept(name, layout, at)
        writer = new_writer()
        for part in kept:
            self._keep(name, part, writer=writer, at=at)
        self._mark(name, layout, writer=writer)
        target = AppendingWriter(
            self._bucket, name, writer=writer, at=at, part_bytes=self._part_bytes, look=lambda: self._look(name)
        )
        yield target
        target.flush()

    @contextmanager
    def create(self, name: str) -> Generator[ArtifactWriter]:
        check_artifact_name(name)
        writer = new_writer()
        target = PartWriter(self._bucket, name, writer=writer, at=0, part_bytes=self._part_bytes)
        yield target
        target.flush()
        # Looked up at the end: who ends last replaces the others, whoever began first.
        layout = self._look(name)
        target.check_is_whole(layout)
        self._mark(name, layout, writer=writer)

    def open(self, name: str) -> BinaryIO:
        return io.BufferedReader(PartReader(self._bucket, self._content(name)), _READ_BUFFER_BYTES)

    def size(self, name: str) -> int:
        return size_of(self._content(name))

    def read(self, name: str, *, offset: int, length: int) -> bytes:
        parts = self._content(name)
        if offset < 0 or length < 0:
            raise ArtifactError(f"artifact {name!r} has no {length} bytes at {offset}; neither can be negative")
        if offset + length > size_of(parts):
            raise self._lost_bytes(name, stored=size_of(parts), needed=offset + length)
        return b"".join(pieces(self._bucket, parts, start=offset, end=offset + length))

    def names(self, prefix: str) -> Iterator[str]:
        folder = prefix.rpartition("/")[0]
        if prefix.startswith("/") or (folder and not is_artifact_name(folder)):
            return iter(())
        found = {marked_name(stored.key) for stored in self._bucket.keys(folder)} - {None}
        return iter(sorted(name for name in found if name is not None and name.startswith(prefix)))

    def delete(self, name: str) -> None:
        layout = self._look(name)
        # The markers last: as long as one is there, the name is listed, and whoever deletes can delete again.
        with around("artifact.delete.parts"):
            self._bucket.remove([part.key for parts in layout.parts.values() for part in parts])
        with around("artifact.delete.markers"):
            self._bucket.remove([marker.key for marker in layout.markers])

    def _look(self, name: str) -> Layout:
        return layout_of(self._bucket.keys(folder_of(check_artifact_name(name))))

    def _content(self, name: str) -> Sequence[Part]:
        layout = self._look(name)
        if layout.current is None:
            raise ArtifactNotFoundError(name, place=self._bucket.place)
        return layout.content()

    def _kept(self, name: str, layout: Layout, at: int) -> Sequence[Part]:
        """The parts of the object's first *at* bytes; the last one may go beyond."""
        if at < 0:
            raise ArtifactError(f"artifact {name!r} has no byte {at} to write from; give 0 or more")
        if at and layout.current is None:
            raise ArtifactNotFoundError(name, place=self._bucket.place)
        parts = layout.content()
        if at > size_of(parts):
            raise self._lost_bytes(name, stored=size_of(parts), needed=at)
        return [part for part in parts if part.offset < at]

    def _keep(self, name: str, part: Part, *, writer: str, at: int) -> None:
        """Make a part another writer's as well, without what lies behind *at*."""
        key = part_key(name, writer=writer, offset=part.offset)
        with around("artifact.part.keep"):
            if part.end <= at:
                self._bucket.copy(part.key, to=key)
            else:
                self._bucket.put(key, bytes(self._bucket.get(part.key, offset=0, length=at - part.offset)))

    def _mark(self, name: str, layout: Layout, *, writer: str) -> None:
        """Let the object be what *writer* has written, and remove what nobody needs any more."""
        now = datetime.now(UTC)
        with around("artifact.marker.put"):
            self._bucket.put(marker_key(name, number=layout.next_number(now), writer=writer), b"")
        self._bucket.remove(layout.abandoned(now))

    def _lost_bytes(self, name: str, *, stored: int, needed: int) -> ArtifactError:
        return ArtifactError(
            f"artifact {name!r} in {self._bucket.place} has {stored} bytes, but {needed} were stored: "
            f"the last {needed - stored} are lost; restore it from a backup, or start a new run"
        )
