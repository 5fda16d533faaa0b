"""The whole test of the adapter: that it keeps the contract, and what it adds."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from batchor_acme import AcmeStorage  # ty: ignore[import-not-found]  installed for this test alone

from batchor_core import EventType, RunEvent
from batchor_core.errors import ConfigurationError
from batchor_core.ports.state import StateStore
from batchor_testkit.state_contract import ConcurrentReadersContract, StateStoreContract
from batchor_testkit.state_examples import example_run

EVENT = RunEvent(EventType.RUN_CREATED, run_id="r", at=datetime(2026, 4, 3, tzinfo=UTC))


class TestAcmeStorage(StateStoreContract, ConcurrentReadersContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[StateStore]:
        storage = AcmeStorage(f"acme:///{tmp_path}")
        yield storage
        storage.close()

    def reopen(self, store: StateStore) -> StateStore:
        store.close()
        return store

    def test_committed_events_are_told_and_others_are_not(self, store: StateStore, tmp_path: Path) -> None:
        with store.transaction() as uow:
            uow.runs.add(example_run(EVENT.run_id))
            uow.events.append([EVENT])
        with suppress(KeyError), store.transaction() as uow:
            uow.events.append([EVENT])
            raise KeyError
        assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("url", ["acme://runs", "acme:///", "sqlite:///runs"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="acme:///FOLDER"):
        AcmeStorage(url)
