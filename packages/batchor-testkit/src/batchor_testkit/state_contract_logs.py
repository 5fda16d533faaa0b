"""The contracts of `ArtifactCatalog` and `EventLog`."""

from dataclasses import replace

import pytest

from batchor_core.domain.events import EventType, RunEvent
from batchor_core.ports.state import StateStore
from batchor_core.ports.state_records import ArtifactKind, ArtifactRecord
from batchor_testkit.state_contract_fixtures import StateContract, are_utc
from batchor_testkit.state_examples import NOW, RUN_ID, example_event, example_run, example_segment


def _a_run(store: StateStore, run_id: str = RUN_ID) -> None:
    with store.transaction() as unit:
        unit.runs.add(example_run(run_id))


def _add(store: StateStore, *artifacts: ArtifactRecord) -> list[ArtifactRecord]:
    with store.transaction() as unit:
        return [unit.artifacts.add(artifact) for artifact in artifacts]


def _of_run(store: StateStore, run_id: str = RUN_ID) -> list[ArtifactRecord]:
    with store.reading() as unit:
        return list(unit.artifacts.of_run(run_id))


class ArtifactCatalogContract(StateContract):
    def test_an_artifact_comes_back_with_an_id(self, store: StateStore) -> None:
        _a_run(store)
        (added,) = _add(store, example_segment())
        assert added == replace(example_segment(), artifact_id=added.artifact_id)
        assert added.artifact_id > 0
        assert _of_run(store) == [added]

    @pytest.mark.parametrize("kind", list(ArtifactKind))
    def test_every_kind_comes_back(self, store: StateStore, kind: ArtifactKind) -> None:
        _a_run(store)
        _add(store, replace(example_segment(), kind=kind))
        assert _of_run(store)[0].kind == kind

    def test_every_artifact_has_an_id_of_its_own(self, store: StateStore) -> None:
        _a_run(store, "one")
        _a_run(store, "two")
        added = _add(store, *(example_segment(run_id, number=number) for run_id in ("one", "two") for number in (1, 2)))
        assert len({artifact.artifact_id for artifact in added}) == 4

    def test_size_lines_digest_and_state_are_saved_and_nothing_else(self, store: StateStore) -> None:
        _a_run(store)
        (added,) = _add(store, example_segment())
        grown = replace(added, size_bytes=5 * 10**9, lines=70_000, sha256="ab" * 32, state="complete")
        with store.transaction() as unit:
            unit.artifacts.save(replace(grown, name="elsewhere", kind=ArtifactKind.ERROR))
        assert _of_run(store) == [grown]

    def test_an_artifact_can_be_added_complete(self, store: StateStore) -> None:
        _a_run(store)
        complete = replace(example_segment(), size_bytes=10, lines=1, sha256="cd" * 32, state="complete")
        (added,) = _add(store, complete)
        assert added == replace(complete, artifact_id=added.artifact_id)
        assert _of_run(store) == [added]

    def test_saving_one_artifact_leaves_the_others(self, store: StateStore) -> None:
        _a_run(store)
        first, second = _add(store, example_segment(number=1), example_segment(number=2))
        with store.transaction() as unit:
            unit.artifacts.save(replace(first, state="pruned"))
        assert _of_run(store) == [replace(first, state="pruned"), second]

    def test_get_gives_those_and_leaves_unknown_ids_out(self, store: StateStore) -> None:
        _a_run(store)
        first, second, third = _add(store, *(example_segment(number=number) for number in (1, 2, 3)))
        with store.reading() as unit:
            found = unit.artifacts.get({first.artifact_id, third.artifact_id, third.artifact_id + 1_000})
        assert sorted(found, key=lambda artifact: artifact.artifact_id) == [first, third]
        assert second not in found

    def test_get_of_nothing_is_nothing(self, store: StateStore) -> None:
        _a_run(store)
        _add(store, example_segment())
        with store.reading() as unit:
            assert list(unit.artifacts.get([])) == []

    def test_get_takes_more_ids_than_a_statement_has_parameters(self, store: StateStore) -> None:
        _a_run(store)
        (added,) = _add(store, example_segment())
        with store.reading() as unit:
            assert list(unit.artifacts.get(range(added.artifact_id, added.artifact_id + 70_000))) == [added]

    def test_artifacts_of_a_run_come_oldest_first(self, store: StateStore) -> None:
        _a_run(store)
        _a_run(store, "other")
        added = _add(store, *(example_segment(number=number) for number in (3, 1, 2)))
        _add(store, example_segment("other"))
        assert _of_run(store) == added


class EventLogContract(StateContract):
    def test_events_come_back_as_they_were_appended(self, store: StateStore) -> None:
        _a_run(store)
        events = [example_event(number=number) for number in (1, 2)]
        with store.transaction() as unit:
            unit.events.append(events)
        with store.reading() as unit:
            assert [event for _, event in unit.events.read(RUN_ID, after=0, limit=9)] == events

    def test_types_and_times_come_back_as_such(self, store: StateStore) -> None:
        _a_run(store)
        with store.transaction() as unit:
            unit.events.append([RunEvent(EventType.RUN_PAUSED, RUN_ID, NOW)])
        with store.reading() as unit:
            ((_, event),) = unit.events.read(RUN_ID, after=0, limit=9)
        assert event.event_type is EventType.RUN_PAUSED
        assert (event.at, are_utc(event.at), dict(event.data)) == (NOW, True, {})

    def test_sequences_ascend_over_several_transactions(self, store: StateStore) -> None:
        _a_run(store)
        for number in range(3):
            with store.transaction() as unit:
                unit.events.append([example_event(number=number), example_event(number=number)])
        with store.reading() as unit:
            sequences = [sequence for sequence, _ in unit.events.read(RUN_ID, after=0, limit=9)]
        assert sequences == sorted(set(sequences))
        assert len(sequences) == 6
        assert sequences[0] > 0

    def test_pages_of_events_leave_no_gap_and_repeat_nothing(self, store: StateStore) -> None:
        _a_run(store)
        _a_run(store, "other")
        with store.transaction() as unit:
            for number in range(7):
                unit.events.append([example_event(number=number), example_event("other", number=number)])
        seen: list[tuple[int, RunEvent]] = []
        with store.reading() as unit:
            while page := unit.events.read(RUN_ID, after=seen[-1][0] if seen else 0, limit=3):
                assert len(page) <= 3
                assert all(pair not in seen for pair in page), "a page repeats events of the page before"
                seen += page
        assert [event.data["number"] for _, event in seen] == list(range(7))
        assert {event.run_id for _, event in seen} == {RUN_ID}

    def test_no_events_can_be_appended(self, store: StateStore) -> None:
        _a_run(store)
        with store.transaction() as unit:
            unit.events.append([])
        with store.reading() as unit:
            assert list(unit.events.read(RUN_ID, after=0, limit=9)) == []

    def test_data_does_not_follow_later_changes_of_what_was_given(self, store: StateStore) -> None:
        _a_run(store)
        names = ["a"]
        with store.transaction() as unit:
            unit.events.append([RunEvent(EventType.RUN_CREATED, RUN_ID, NOW, {"names": names})])
        names.append("b")
        with store.reading() as unit:
            assert unit.events.read(RUN_ID, after=0, limit=1)[0][1].data == {"names": ["a"]}
