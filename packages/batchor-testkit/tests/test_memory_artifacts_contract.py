from typing import ClassVar

import pytest

from batchor_core.adapters.memory_artifacts import MemoryArtifactStore
from batchor_testkit.artifact_contract import ArtifactStoreContract


class TestMemoryArtifacts(ArtifactStoreContract):
    # Two objects of 20 MB, one of which is replaced, with room to grow: it keeps them in memory.
    memory_limit_bytes: ClassVar[int] = 64 << 20

    @pytest.fixture
    def store(self) -> MemoryArtifactStore:
        return MemoryArtifactStore()
