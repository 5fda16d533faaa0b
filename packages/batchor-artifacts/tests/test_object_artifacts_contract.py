from collections.abc import Callable
from pathlib import Path

import pytest

from batchor_artifacts import ObjectArtifactStore
from batchor_testkit.artifact_contract import ArtifactStoreContract


class TestMemoryArtifacts(ArtifactStoreContract):
    memory_limit_bytes = 64 << 20  # the store itself: two objects of 20 MB

    @pytest.fixture
    def store(self) -> ObjectArtifactStore:
        return ObjectArtifactStore("memory://")


class TestFolderArtifacts(ArtifactStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectArtifactStore:
        return ObjectArtifactStore(f"file://{tmp_path}/artifacts")

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], ObjectArtifactStore]:
        return lambda: ObjectArtifactStore(f"file://{tmp_path}/artifacts")


class TestS3Artifacts(ArtifactStoreContract):
    @pytest.fixture
    def url(self, make_bucket: Callable[[], str]) -> str:
        return f"s3://{make_bucket()}"

    @pytest.fixture
    def store(self, url: str) -> ObjectArtifactStore:
        return ObjectArtifactStore(url)

    @pytest.fixture
    def reopen(self, url: str) -> Callable[[], ObjectArtifactStore]:
        return lambda: ObjectArtifactStore(url)
