"""Planted bugs, each of which the harness must catch: else it proves nothing.

Each mutant replaces one function of the product by one that lacks what keeps the promise.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import pytest

from batchor_core.adapters import memory_stores
from batchor_core.application import collect, cycle, ingest, output_lines, poll, recover, segment, submit
from batchor_core.application.context import RunContext
from batchor_core.application.leasing import handed_back, hold
from batchor_core.application.members import UNTRIED, Members
from batchor_core.domain import retry
from batchor_core.domain.batch import BatchEvent, BatchRecord, RemoteBatch
from batchor_core.domain.events import EventType
from batchor_core.domain.item import ItemEvent, ItemStatus
from batchor_core.domain.output_line import LineOutcome
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient
from batchor_testkit import flaky_provider
from batchor_testkit.crash_sweep import Tally, sweep, sweep_freezes
from batchor_testkit.crash_verdict import Harm
from batchor_testkit.fault_profiles import profile_named

type Plant = Callable[[pytest.MonkeyPatch], None]
type Trial = Callable[[], Tally]


def deaths(profile: str, *, seed: int = 0) -> Trial:
    return partial(sweep, profile_named(profile), seed, until_harmed=True)


def sleepers(profile: str, *, seed: int = 0, turns: int | None = None) -> Trial:
    return partial(sweep_freezes, profile_named(profile), seed, turns=turns, until_harmed=True)


@dataclass(frozen=True)
class Mutant:
    """A planted bug, the part of the harness that is to catch it, and the harm that it is to be caught by."""

    plant: Plant
    trial: Trial
    harms: frozenset[Harm]


def no_intent(patch: pytest.MonkeyPatch) -> None:
    """The create call is made before it is durable that it may be."""

    def create(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> None:
        with around("submit.create"):
            remote = client.create(input_file_id=batch.input_file_id or "", metadata=submit._metadata(ctx, batch))
        with around("submit.record_send"), ctx.store.transaction() as uow:
            sent = replace(hold(ctx, uow, batch).moved(BatchEvent.SEND), sent_at=ctx.now())
            uow.batches.save(sent)
        submit.acknowledge(ctx, sent, remote, event_type=EventType.BATCH_SUBMITTED)

    patch.setattr(submit, "create", create)
    patch.setattr(cycle, "create", create)


def no_listing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recover, "_look", lambda ctx, batch, client: [])


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """The input file stays, so that a create call that lurks may yet succeed."""

    class ClientWithoutDelete:
        def delete(self, file_id: str) -> bool:
            return True

    fence = recover._fence
    without: Any = ClientWithoutDelete()
    patch.setattr(recover, "_fence", lambda ctx, batch, client: fence(ctx, batch, without))


def listing_of_one_page(patch: pytest.MonkeyPatch) -> None:
    find = flaky_provider.FlakyClient.find

    def first_page(self: flaky_provider.FlakyClient, **options: Any) -> Iterator[RemoteBatch]:
        return islice(find(self, **options), 3)

    patch.setattr(flaky_provider.FlakyClient, "find", first_page)


def no_quarantine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recover, "_look_again_or_abandon", recover.abandon)


def unclear_is_refused(patch: pytest.MonkeyPatch) -> None:
    """After a lost answer the batch is simply sent again."""

    def send_again(ctx: RunContext, batch: BatchRecord) -> None:
        with around("submit.leave_to_recovery"), ctx.store.transaction() as uow:
            refused = hold(ctx, uow, batch).moved(BatchEvent.REFUSE)
            uow.batches.save(handed_back(refused, due_at=ctx.now()))

    patch.setattr(submit, "_leave_to_recovery", send_again)


def counters_on_their_own(patch: pytest.MonkeyPatch) -> None:
    """A batch is acknowledged in one transaction, and its items are counted in the next."""

    def acknowledge(ctx: RunContext, batch: BatchRecord, remote: RemoteBatch, *, event_type: EventType) -> None:
        with around("submit.record_batch"), ctx.store.transaction() as uow:
            submitted = hold(ctx, uow, batch).moved(BatchEvent.ACKNOWLEDGE).seen(remote)
            uow.batches.save(handed_back(submitted, due_at=ctx.now() + ctx.poll_interval))
        with around("submit.count"), ctx.store.transaction() as uow:
            run = uow.runs.lock(ctx.run_id)
            counts = run.counts.move(ItemStatus.QUEUED_LOCAL, ItemEvent.SUBMIT, number=batch.request_count)
            uow.runs.save(replace(run, counts=counts, batches=run.batches + 1))

    patch.setattr(submit, "acknowledge", acknowledge)
    patch.setattr(recover, "acknowledge", acknowledge)


def no_sync_before_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segment.OpenSegment, "sync", lambda self: None)


def checkpoint_ahead_of_rows(patch: pytest.MonkeyPatch) -> None:
    commit = ingest.Ingestion._commit

    def checkpoint_first(self: Any, piece: Any) -> None:
        with around("ingest.checkpoint"), self._ctx.store.transaction() as uow:
            run = self._locked(uow)
            uow.runs.save(replace(run, ingest=replace(run.ingest, checkpoint=self._cursor.checkpoint())))
        commit(self, piece)

    patch.setattr(ingest.Ingestion, "_commit", checkpoint_first)


def attempts_for_lines_not_run(patch: pytest.MonkeyPatch) -> None:
    def after(self: retry.Tries, outcome: LineOutcome) -> retry.Tries:
        return retry.Tries(self.attempts_used + 1, self.deferrals)

    patch.setattr(retry.Tries, "after", after)


def capacity_released_twice(patch: pytest.MonkeyPatch) -> None:
    """Once when the batch has ended, and once more when it is collected."""
    finish, release = collect._finish, poll.release_capacity

    def finish_and_release(ctx: RunContext, batch: BatchRecord, members: Members) -> BatchRecord:
        collected = finish(ctx, batch, members)
        with around("collect.release"), ctx.store.transaction() as uow:
            tokens = uow.items.requests(ctx.run_id, first=0, limit=1)[0].tokens
            release(ctx, uow, replace(collected, reserved_tokens=tokens))
        return collected

    patch.setattr(collect, "_finish", finish_and_release)


def capacity_never_released(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(poll, "release_capacity", lambda ctx, uow, batch: [])


def stale_fence_is_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory_stores.MemoryBatchStore, "_under_fence", lambda self, batch: self.get(batch.batch_id))


def stale_ingestion_is_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ingest.Ingestion, "_locked", lambda self, uow: uow.runs.lock(self._ctx.run_id))


def split_at_u2028(patch: pytest.MonkeyPatch) -> None:
    """The output's lines are those that `str.splitlines` sees."""
    window = output_lines.LineReader.window

    def window_of_text(self: Any, content: Any, *, start: int) -> output_lines.Window | None:
        content.seek(0)
        lines = content.read().decode(errors="replace").splitlines()
        return window(self, io.BytesIO("".join(f"{line}\n" for line in lines).encode()), start=start)

    patch.setattr(output_lines.LineReader, "window", window_of_text)


def lines_of_other_runs_are_taken(patch: pytest.MonkeyPatch) -> None:
    def any_index(self: Any, custom_ids: Sequence[str]) -> list[int]:
        return [int(custom_id.partition("-")[2]) for custom_id in custom_ids]

    patch.setattr(output_lines.LineReader, "_item_indexes", any_index)


def second_lines_are_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Members, "take", lambda self, index: UNTRIED if index in self else None)
    patch.setattr(Members, "take_untried", lambda self, indexes: False)


def files_of_expired_batches_are_not_read(patch: pytest.MonkeyPatch) -> None:
    apply = collect._apply

    def apply_if_completed(ctx: RunContext, batch: BatchRecord, *rest: Any, **options: Any) -> BatchRecord:
        return apply(ctx, batch, *rest, **options) if batch.provider_status == "completed" else batch

    patch.setattr(collect, "_apply", apply_if_completed)


def abandoned_retries_stay_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory_stores.MemoryRetryStore, "rebind", lambda self, **batches: None)


def missing_lines_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Items that neither file names are taken to be done."""
    patch.setattr(collect, "_lines_of_missing", lambda uow, batch, members: [])


LOST, DOUBLED, TWICE, DRIFT, STUCK = Harm
MUTANTS = (
    Mutant(no_intent, deaths("calm"), frozenset({TWICE, DOUBLED})),
    Mutant(no_listing, deaths("act_then_drop"), frozenset({TWICE})),
    Mutant(no_fence, deaths("lurking_create"), frozenset({TWICE})),
    Mutant(listing_of_one_page, deaths("foreign_batches"), frozenset({TWICE})),
    Mutant(no_quarantine, deaths("list_lag"), frozenset({TWICE})),
    Mutant(unclear_is_refused, deaths("act_then_500"), frozenset({TWICE, DOUBLED})),
    Mutant(counters_on_their_own, deaths("calm"), frozenset({DRIFT})),
    Mutant(no_sync_before_commit, deaths("calm"), frozenset({STUCK, LOST})),
    Mutant(checkpoint_ahead_of_rows, deaths("calm"), frozenset({LOST})),
    Mutant(attempts_for_lines_not_run, deaths("lost_lines"), frozenset({DRIFT})),
    Mutant(capacity_released_twice, deaths("calm"), frozenset({DRIFT})),
    Mutant(capacity_never_released, deaths("calm"), frozenset({DRIFT})),
    Mutant(stale_fence_is_accepted, sleepers("calm"), frozenset({TWICE, DOUBLED, DRIFT, STUCK})),
    Mutant(stale_ingestion_is_accepted, sleepers("calm"), frozenset({DOUBLED, DRIFT, STUCK})),
    Mutant(split_at_u2028, deaths("calm"), frozenset({LOST})),
    Mutant(lines_of_other_runs_are_taken, deaths("foreign_lines"), frozenset({LOST, STUCK})),
    Mutant(second_lines_are_counted, deaths("duplicate_lines"), frozenset({DRIFT})),
    Mutant(files_of_expired_batches_are_not_read, deaths("expired_halfway"), frozenset({TWICE})),
    Mutant(abandoned_retries_stay_behind, deaths("lurking_create"), frozenset({DRIFT})),
    Mutant(missing_lines_are_forgotten, deaths("lost_lines"), frozenset({DRIFT})),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.plant.__name__)
def test_a_planted_bug_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.plant(monkeypatch)
    tally = mutant.trial()
    assert tally.harms.keys() & mutant.harms, f"it survived {tally.lives} lives: {tally.notes}"


@pytest.mark.parametrize("trial", {mutant.trial.args for mutant in MUTANTS if isinstance(mutant.trial, partial)})
def test_nothing_is_caught_where_nothing_is_planted(trial: Any) -> None:
    profile, seed = trial
    assert sweep(profile, seed, step=25).notes == []
