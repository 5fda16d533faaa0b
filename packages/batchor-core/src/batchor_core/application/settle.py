"""Settle: output lines become results and retries, and the counters move with them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched
from operator import itemgetter

from batchor_core.application.members import UNTRIED, Members
from batchor_core.application.output_lines import OtherLine, PlacedLine, in_full
from batchor_core.domain.item import ItemEvent, ItemStatus
from batchor_core.domain.output_line import (
    RESPONSE_METADATA_JSON,
    LineOutcome,
    OutputLine,
    ResponseMetadata,
    TokenUsage,
    finish_reason_json,
)
from batchor_core.domain.policies import RetryPolicy
from batchor_core.domain.results import ErrorClass, ItemFailure, ResultRow
from batchor_core.domain.retry import RetryRow, Tries, Verdict, judge, retry_at
from batchor_core.domain.run import RunRecord
from batchor_core.ports.state_records import RowColumns

_NO_USAGE = TokenUsage()
_BY_INDEX = itemgetter(0)
_LINES_AT_ONCE = 100
"""Lines that are not usual keep so many others from the short way."""
_FIELDS_OF_USUAL = 9


@dataclass(frozen=True, slots=True)
class Terms:
    """By what an outcome is judged."""

    batch_id: int
    artifact_id: int | None
    """Where the lines lie; None for items without a line."""
    policy: RetryPolicy
    now: datetime
    jitter: float
    """One for all: items that fail together come back together, in one batch."""
    cancelled: bool
    """The run is being cancelled: what would be tried again ends instead."""


def _no_results() -> RowColumns[ResultRow]:
    return RowColumns(ResultRow)


@dataclass(slots=True)
class Settlement:
    """What one transaction writes for some of a batch's items."""

    results: RowColumns[ResultRow] = field(default_factory=_no_results)
    retries: list[RetryRow] = field(default_factory=list)
    no_longer_retried: list[int] = field(default_factory=list)
    """Items whose retry row goes with their result."""
    completed: int = 0
    usage: TokenUsage = TokenUsage()
    """Of all answers, those that were not taken and come again too."""
    second_answers: int = 0

    @property
    def failed(self) -> int:
        return len(self.results) - self.completed


def settle(lines: list[PlacedLine], members: Members, *, terms: Terms, sequence: int) -> Settlement:
    """Judge *lines* in index order, taking each one's item out of *members*; *sequence* is the last one given.

    *lines* is sorted. A line whose item is not (or no longer) among the members is a second answer, and is not applied.
    """
    outcome = Settlement()
    lines.sort(key=_BY_INDEX)
    for some in batched(lines, _LINES_AT_ONCE):
        if not _accept(outcome, some, members, terms=terms, sequence=sequence):
            _settle_each(outcome, some, members, terms=terms, sequence=sequence)
    return outcome


def _accept(outcome: Settlement, lines: Sequence[PlacedLine], members: Members, *, terms: Terms, sequence: int) -> bool:
    """Make results of lines that are all usual, of items never sent before, as nearly all are; False where they are not.

    It is what `settle_one` would do with each, without a look at policies and by columns, at a third of the cost.
    """
    if set(map(len, lines)) != {_FIELDS_OF_USUAL}:
        return False
    indexes, offsets, lengths, texts, finish_reasons, *tokens = zip(*lines, strict=True)
    if not members.take_untried(indexes):
        return False
    number, before = len(lines), sequence + len(outcome.results)
    sequences = range(before + 1, before + number + 1)
    attempts, batch_ids, artifact_ids = ([value] * number for value in (1, terms.batch_id, terms.artifact_id))
    responses = map(RESPONSE_METADATA_JSON.__mod__, zip(*tokens, map(finish_reason_json, finish_reasons), strict=True))
    placed = batch_ids, artifact_ids, offsets, lengths
    outcome.results.extend(indexes, sequences, attempts, *placed, texts, responses, [None] * number)
    outcome.usage = outcome.usage.plus(TokenUsage(*map(sum, tokens)))
    outcome.completed += number
    return True


def _settle_each(
    outcome: Settlement, lines: Sequence[PlacedLine], members: Members, *, terms: Terms, sequence: int
) -> None:
    for placed in lines:
        before = members.take(placed[0])
        if before is None:
            outcome.second_answers += 1
        else:
            settle_one(outcome, in_full(placed), before, terms=terms, sequence=sequence)


def without_lines(
    indexes: Iterable[int], *, outcome: LineOutcome, message: str, code: str | None = None
) -> list[PlacedLine]:
    """Lines that stand for items that no file names."""
    line = OutputLine(custom_id=None, outcome=outcome, message=message, code=code)
    return [(index, 0, 0, line) for index in indexes]


def settled(run: RunRecord, outcome: Settlement) -> RunRecord:
    """The run after *outcome*: its items were SUBMITTED."""
    counts = (
        run.counts.move(ItemStatus.SUBMITTED, ItemEvent.SUCCEED, number=outcome.completed)
        .move(ItemStatus.SUBMITTED, ItemEvent.REJECT, number=outcome.failed)
        .move(ItemStatus.SUBMITTED, ItemEvent.FAIL, number=len(outcome.retries))
    )
    return replace(
        run,
        counts=counts,
        usage=run.usage.plus(outcome.usage),
        result_sequence=run.result_sequence + len(outcome.results),
    )


def settle_one(outcome: Settlement, placed: OtherLine, before: Tries, *, terms: Terms, sequence: int) -> None:
    """Judge one line of an item on which *before* was spent."""
    index, offset, length, line = placed
    tries = before.after(line.outcome)
    usage = line.usage or _NO_USAGE
    outcome.usage = outcome.usage.plus(usage)
    match judge(line.outcome, tries, terms.policy):
        case Verdict.ACCEPT if line.fits_model:
            failure = None
            outcome.completed += 1
        case Verdict.RETRY if not terms.cancelled:
            outcome.retries.append(_retry(index, line, tries, terms))
            return
        case Verdict.RETRY:
            failure = _cancelled(line).to_json()
        case _:
            failure = _failure(line).to_json()
    if before != UNTRIED:
        outcome.no_longer_retried.append(index)
    outcome.results.append(
        ResultRow(
            index,
            sequence + len(outcome.results) + 1,
            tries.attempts_used,
            terms.batch_id,
            terms.artifact_id,
            offset,
            length,
            line.text,
            ResponseMetadata(usage, line.finish_reason).to_json(),
            failure,
        )
    )


def _retry(index: int, line: OutputLine, tries: Tries, terms: Terms) -> RetryRow:
    if line.outcome is LineOutcome.THROTTLED:
        # The whole scope waits for the provider's queue; these items need no wait of their own.
        return RetryRow(index, tries.attempts_used, tries.deferrals, terms.now, line.outcome.value)
    not_before = retry_at(terms.now, tries, terms.policy, jitter=terms.jitter, retry_after_s=line.retry_after_s)
    return RetryRow(index, tries.attempts_used, tries.deferrals, not_before, line.outcome.value)


def _failure(line: OutputLine) -> ItemFailure:
    return ItemFailure(line.outcome.value, line.message or line.outcome.value, line.code, line.status_code)


def _cancelled(line: OutputLine) -> ItemFailure:
    return ItemFailure(ErrorClass.RUN_CANCELLED, f"the run was cancelled; last outcome: {line.message or line.outcome}")
