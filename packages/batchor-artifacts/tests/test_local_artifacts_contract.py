from collections.abc import Callable
from pathlib import Path

import pytest

from batchor_artifacts import LocalArtifactStore
from batchor_testkit.artifact_contract import ArtifactStoreContract


class TestLocalArtifacts(ArtifactStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalArtifactStore:
        return LocalArtifactStore(tmp_path / "artifacts")

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], LocalArtifactStore]:
        return lambda: LocalArtifactStore(tmp_path / "artifacts")
