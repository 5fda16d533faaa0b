"""Request and answer files of batchor, on a local file system."""

from batchor_artifacts.local_store import LocalArtifactStore

__all__ = ["LocalArtifactStore"]
