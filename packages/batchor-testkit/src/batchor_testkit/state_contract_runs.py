"""The contract of `RunStore`."""

from dataclasses import replace

import pytest

from batchor_core.domain.item import StatusCounts
from batchor_core.domain.lease import Lease
from batchor_core.domain.output_line import TokenUsage
from batchor_core.domain.run import ControlEvent, RunControlState, RunLifecycleStatus, RunRecord
from batchor_core.errors import RunExistsError, RunNotFoundError
from batchor_core.json_types import JsonValue
from batchor_core.ports.state import StateStore
from batchor_testkit.state_contract_fixtures import StateContract, are_utc
from batchor_testkit.state_examples import NOW, RUN_ID, example_run, seconds_later


def _get(store: StateStore, run_id: str = RUN_ID) -> RunRecord:
    with store.reading() as unit:
        return unit.runs.get(run_id)


def _add(store: StateStore, *runs: RunRecord) -> None:
    with store.transaction() as unit:
        for run in runs:
            unit.runs.add(run)


def _save(store: StateStore, run: RunRecord) -> None:
    with store.transaction() as unit:
        unit.runs.lock(run.run_id)
        unit.runs.save(run)


def _page_through(store: StateStore, *, limit: int) -> list[str]:
    seen: list[str] = []
    with store.reading() as unit:
        while page := unit.runs.page(before=seen[-1] if seen else None, limit=limit):
            assert len(page) <= limit
            assert not set(seen) & {run.run_id for run in page}, "a page repeats runs of the page before"
            seen += [run.run_id for run in page]
    return seen


class RunStoreContract(StateContract):
    def test_a_run_comes_back_as_it_was_added(self, store: StateStore) -> None:
        _add(store, example_run())
        assert _get(store) == example_run()

    def test_a_run_id_is_taken_once(self, store: StateStore) -> None:
        _add(store, example_run())
        with pytest.raises(RunExistsError, match=RUN_ID):
            _add(store, replace(example_run(), tag="ffffffff"))
        assert _get(store) == example_run()

    def test_run_ids_differ_by_case(self, store: StateStore) -> None:
        _add(store, example_run("Export"), example_run("export"))
        assert _get(store, "Export").run_id == "Export"
        assert _get(store, "export").run_id == "export"

    def test_an_unknown_run_is_refused_with_the_nearest_ids(self, store: StateStore) -> None:
        _add(store, example_run("customer_export_20260403"), example_run("zebra"))
        with pytest.raises(RunNotFoundError) as caught:
            _get(store, "customer_export_20260404")
        assert "customer_export_20260403" in caught.value.nearest
        assert "zebra" not in caught.value.nearest

    def test_an_unknown_run_in_an_empty_store_is_refused(self, store: StateStore) -> None:
        with pytest.raises(RunNotFoundError) as caught:
            _get(store)
        assert caught.value.nearest == ()

    def test_an_unknown_run_cannot_be_locked(self, store: StateStore) -> None:
        with pytest.raises(RunNotFoundError), store.transaction() as unit:
            unit.runs.lock(RUN_ID)

    def test_lock_gives_what_get_gives(self, store: StateStore) -> None:
        _add(store, example_run())
        with store.transaction() as unit:
            assert unit.runs.lock(RUN_ID) == unit.runs.get(RUN_ID)

    def test_everything_of_a_run_that_may_change_is_saved(self, store: StateStore) -> None:
        _add(store, example_run())
        run = example_run()
        changed = replace(
            run,
            ingest=replace(
                run.ingest,
                source={"kind": "csv", "reference": "a.csv", "fingerprint": "beef"},
                checkpoint={"offset": 17},
                next_index=9,
                complete=True,
                lease=Lease("worker-7", seconds_later(60), 3),
            ),
            status=RunLifecycleStatus.COMPLETED_WITH_FAILURES,
            control_state=RunControlState.CANCEL_REQUESTED,
            control_reason="quota",
            control_message='the account\'s "limit" is reached: ✗',
            counts=StatusCounts(1, 2, 3, 4, 5, 6),
            usage=TokenUsage(10, 20, 3, 4),
            submit_cursor=8,
            pending_bytes=300,
            pending_tokens=70,
            result_sequence=10,
            batches=2,
            finished_at=seconds_later(3600),
        )
        _save(store, changed)
        assert _get(store) == changed

    def test_what_may_not_change_is_kept_by_a_save(self, store: StateStore) -> None:
        _add(store, example_run())
        _save(store, replace(example_run(), tag="ffffffff", created_at=seconds_later(5), config={"other": 1}))
        assert _get(store) == example_run()

    def test_a_value_that_was_set_can_be_cleared(self, store: StateStore) -> None:
        run = example_run()
        _add(store, replace(run, ingest=replace(run.ingest, checkpoint=[1], segment_id=None, lease=Lease("w", NOW, 1))))
        _save(store, replace(run, ingest=replace(run.ingest, lease=Lease(None, None, 1))))
        assert _get(store).ingest.checkpoint is None
        assert _get(store).ingest.lease == Lease(None, None, 1)

    def test_a_control_reason_can_be_cleared(self, store: StateStore) -> None:
        _add(store, example_run().controlled(ControlEvent.PAUSE, reason="auth", message="the key was refused"))
        _save(store, _get(store).controlled(ControlEvent.RESUME))
        run = _get(store)
        assert (run.control_state, run.control_reason, run.control_message) == (RunControlState.RUNNING, None, None)

    @pytest.mark.parametrize(
        "checkpoint", [None, 0, 17, "a:b", [], {}, [1, ["x", None]], {"a": {"b": [True, 1.5, "\u2028 é 😀"]}}]
    )
    def test_a_checkpoint_of_any_json_comes_back(self, store: StateStore, checkpoint: JsonValue) -> None:
        run = example_run()
        _add(store, run)
        _save(store, replace(run, ingest=replace(run.ingest, checkpoint=checkpoint)))
        assert _get(store).ingest.checkpoint == checkpoint

    def test_a_stored_run_does_not_follow_later_changes_of_what_was_given(self, store: StateStore) -> None:
        settings: dict[str, JsonValue] = {"model": "a"}
        _add(store, replace(example_run(), config=settings))
        settings["model"] = "b"
        assert _get(store).config == {"model": "a"}

    def test_counters_of_ten_billion_are_kept(self, store: StateStore) -> None:
        run = replace(example_run(), counts=StatusCounts(pending=10**10), usage=TokenUsage(10**13, 1, 1, 1))
        _add(store, run)
        assert _get(store) == run

    def test_times_of_a_run_come_back_aware_in_utc_with_microseconds(self, store: StateStore) -> None:
        run = example_run()
        run = replace(run, ingest=replace(run.ingest, lease=Lease("w", seconds_later(0.000_001), 1)))
        _add(store, replace(run, finished_at=seconds_later(0.5)))
        stored = _get(store)
        times = (stored.created_at, stored.ingest.lease.until, stored.finished_at)
        assert times == (NOW, seconds_later(0.000_001), seconds_later(0.5))
        assert are_utc(*times)

    def test_a_change_of_one_run_leaves_the_others(self, store: StateStore) -> None:
        _add(store, example_run("one"), example_run("two"))
        _save(store, replace(example_run("one"), batches=5))
        assert _get(store, "two") == example_run("two")

    def test_a_page_has_the_newest_runs_first(self, store: StateStore) -> None:
        _add(store, *(example_run(f"run-{age}", created_at=seconds_later(-age)) for age in (3, 0, 2, 1)))
        with store.reading() as unit:
            page = unit.runs.page(before=None, limit=10)
        assert [run.run_id for run in page] == ["run-0", "run-1", "run-2", "run-3"]

    def test_a_page_has_whole_runs(self, store: StateStore) -> None:
        _add(store, example_run())
        with store.reading() as unit:
            assert list(unit.runs.page(before=None, limit=1)) == [example_run()]

    def test_pages_of_runs_leave_no_gap_and_repeat_nothing(self, store: StateStore) -> None:
        _add(store, *(example_run(f"run-{age}", created_at=seconds_later(-age)) for age in range(7)))
        assert _page_through(store, limit=3) == [f"run-{age}" for age in range(7)]

    def test_pages_of_runs_of_one_instant_leave_no_gap_and_repeat_nothing(self, store: StateStore) -> None:
        names = [f"run-{number}" for number in range(7)]
        _add(store, *map(example_run, names))
        assert sorted(_page_through(store, limit=2)) == names

    def test_an_empty_store_has_an_empty_page(self, store: StateStore) -> None:
        assert _page_through(store, limit=5) == []

    def test_unfinished_runs_come_oldest_first_the_paused_among_them(self, store: StateStore) -> None:
        done = replace(example_run("done"), finished_at=seconds_later(9))
        _add(store, done, *(example_run(f"run-{age}", created_at=seconds_later(-age)) for age in (1, 3, 0, 2)))
        _save(store, _get(store, "run-2").controlled(ControlEvent.PAUSE, reason="by_request"))
        with store.reading() as unit:
            assert list(unit.runs.unfinished(limit=10)) == ["run-3", "run-2", "run-1", "run-0"]
            assert list(unit.runs.unfinished(limit=2)) == ["run-3", "run-2"]
