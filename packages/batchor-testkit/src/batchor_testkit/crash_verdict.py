"""The verdict on a life: what its runs lost, doubled or bought twice, by the provider's ledger and not by the state's."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from batchor_core.application.submit import KEY_IN_METADATA
from batchor_core.domain.item import ItemStatus
from batchor_core.domain.results import ErrorClass, ItemFailure, StoredResult
from batchor_core.domain.run import RunControlState, RunRecord
from batchor_core.ports.state import UnitOfWork
from batchor_testkit.crash_life import RUN_ID, Life, scope_of
from batchor_testkit.flaky_server import Delivery, FlakyServer

_ALL = 1_000_000
_TOKENS_A_LINE = (3, 5)


class Harm(StrEnum):
    """What must not happen."""

    LOST = "lost"
    """An item has no result, or not the answer that was delivered."""
    DOUBLED = "doubled"
    """A result, or the remote batch of an intent, is there twice."""
    BOUGHT_TWICE = "bought twice"
    """A request was executed again after its answer had been delivered."""
    DRIFT = "counter drift"
    """Counters, tokens, attempts or reservations are not what the facts give."""
    STUCK = "stuck"
    """The run did not come to its end."""


@dataclass(slots=True)
class Verdict:
    """How often each harm was done, and where."""

    harms: Counter[Harm] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.notes

    def add(self, harm: Harm, note: str, *, number: int = 1) -> None:
        self.harms[harm] += number
        self.notes.append(f"{harm}: {note}")


def judge(life: Life) -> Verdict:
    """The verdict on a life whose run has ended. Lets the server run everything that it was ever asked for."""
    life.server.run_all()
    verdict = Verdict()
    with life.checked.reading() as uow:
        run = uow.runs.get(RUN_ID)
        results = [StoredResult(*fields) for fields in uow.results.by_sequence(RUN_ID, after=0, limit=_ALL)]
        _judge_state(verdict, uow, run, results)
        _judge_batches(verdict, uow, life.server)
        accepted = [(row.item_index, row.item_id) for row in uow.items.page(RUN_ID, first=0, limit=_ALL)]
    expected = [(n, f"item-{n}") for n in range(life.items)]
    if accepted != expected and run.control_state is not RunControlState.CANCEL_REQUESTED:
        verdict.add(Harm.LOST, f"accepted were {accepted}", number=max(life.items - len(accepted), 1))
    _judge_items(verdict, life.server, run, {stored.item_index: stored for stored in results})
    return verdict


def _judge_state(verdict: Verdict, uow: UnitOfWork, run: RunRecord, results: Sequence[StoredResult]) -> None:
    if not run.is_finished:
        verdict.add(Harm.STUCK, f"the run is {run.status} with {run.counts}")
    if uow.items.recount(RUN_ID) != run.counts:
        verdict.add(Harm.DRIFT, f"{run.counts} is not what the facts give")
    reserved = uow.capacity.get(scope_of(run)).reserved
    if reserved and run.is_finished:
        verdict.add(Harm.DRIFT, f"{reserved} tokens are still reserved")
    sequences = [stored.sequence for stored in results]
    if sequences != list(range(1, run.result_sequence + 1)):
        verdict.add(Harm.DOUBLED, f"the results have the sequences {sequences}, the run {run.result_sequence}")


def _judge_batches(verdict: Verdict, uow: UnitOfWork, server: FlakyServer) -> None:
    keys = Counter(batch.metadata[KEY_IN_METADATA] for batch in server.batches.values())
    twice = [key for key, number in keys.items() if number > 1]
    if twice:
        verdict.add(Harm.DOUBLED, f"the intents {twice} led to more than one batch", number=len(twice))
    unknown = server.batches.keys() - uow.batches.known(RUN_ID, server.batches.keys())
    if unknown:
        verdict.add(Harm.LOST, f"the state does not know the batches {sorted(unknown)}", number=len(unknown))


def _judge_items(verdict: Verdict, server: FlakyServer, run: RunRecord, results: Mapping[int, StoredResult]) -> None:
    delivered: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in server.deliveries:
        delivered[delivery.custom_id].append(delivery)
    for index in range(run.ingest.next_index):
        custom_id = f"{run.tag}-{index}"
        of_item = delivered.pop(custom_id, [])
        answered = [delivery for delivery in of_item if delivery.answers]
        if len(answered) > 1:
            verdict.add(Harm.BOUGHT_TWICE, f"item {index} was answered {answered}", number=len(answered) - 1)
        stored = results.get(index)
        if stored is None:
            verdict.add(Harm.LOST, f"item {index} has no result")
        else:
            _judge_result(verdict, stored, of_item, refused=custom_id in server.refused)
    if delivered:
        verdict.add(Harm.LOST, f"no item accounts for {sorted(delivered)}", number=len(delivered))
    attempts = sum(delivery.is_attempt for delivery in server.deliveries)
    usage = (run.usage.input_tokens, run.usage.output_tokens)
    if usage != tuple(tokens * attempts for tokens in _TOKENS_A_LINE):
        verdict.add(Harm.DRIFT, f"the usage is {usage} after {attempts} attempts")


def _judge_result(verdict: Verdict, row: StoredResult, of_item: Iterable[Delivery], *, refused: bool) -> None:
    answers = [answer for delivery in of_item for answer in delivery.answers]
    if answers and (row.status is not ItemStatus.COMPLETED or row.output_text != answers[0]):
        verdict.add(
            Harm.LOST, f"item {row.item_index} was answered {answers} and has {row.output_text!r} {row.failure}"
        )
    if not answers and not (refused or _is_cancelled(row)):
        verdict.add(Harm.LOST, f"item {row.item_index} ended without an answer: {row.output_text!r} {row.failure}")
    attempts = sum(delivery.is_attempt for delivery in of_item)
    if row.attempt_count not in {attempts, 0 if _is_cancelled(row) else attempts}:
        verdict.add(
            Harm.DRIFT, f"item {row.item_index} has {row.attempt_count} attempts, and was answered {attempts} times"
        )


def _is_cancelled(row: StoredResult) -> bool:
    return row.failure is not None and ItemFailure.from_json(row.failure).error_class == ErrorClass.RUN_CANCELLED
