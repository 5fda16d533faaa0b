"""Request and answer files of batchor, on a local or shared file system or an object store."""

from batchor_artifacts.local_store import LocalArtifactStore
from batchor_artifacts.object_store import ObjectArtifactStore
from batchor_artifacts.store_at import artifact_store_at

__all__ = ["LocalArtifactStore", "ObjectArtifactStore", "artifact_store_at"]
