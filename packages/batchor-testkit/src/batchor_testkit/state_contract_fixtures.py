"""What every part of the state contract needs: the store under test, and a way to open it again."""

from datetime import datetime, timedelta

import pytest

from batchor_core.ports.state import StateStore


class StateContract:
    """What an implementer overrides."""

    @pytest.fixture
    def store(self) -> StateStore:
        """The store under test, empty."""
        raise NotImplementedError("override the fixture `store` to return an empty store of yours")

    def reopen(self, store: StateStore) -> StateStore:
        """The same state through a store opened anew; override it for a store that outlives its process."""
        return store


def are_utc(*times: datetime | None) -> bool:
    """Whether all of *times* are there, aware and in UTC."""
    return all(time is not None and time.utcoffset() == timedelta(0) for time in times)
