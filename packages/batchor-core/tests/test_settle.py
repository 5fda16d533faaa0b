"""What lines come to: the short way of usual ones against the one for all, and what becomes of members."""

from dataclasses import astuple, replace
from datetime import UTC, datetime
from itertools import product

import pytest

from batchor_core.application.members import UNTRIED, Members
from batchor_core.application.output_lines import PlacedLine
from batchor_core.application.settle import Settlement, Terms, settle, settle_one
from batchor_core.domain.output_line import LineOutcome, OutputLine, TokenUsage
from batchor_core.domain.policies import RetryPolicy
from batchor_core.domain.retry import Tries
from batchor_core.ports.state_records import Holding, Member

TERMS = Terms(
    batch_id=4,
    artifact_id=5,
    policy=RetryPolicy(),
    now=datetime(2026, 3, 29, tzinfo=UTC),
    jitter=0.5,
    cancelled=False,
)
USAGE = TokenUsage(1, 2, 3, 4)
LINES = [
    OutputLine("x", outcome, text, "stop", usage, "why", "code", 200, fits_model=fits)
    for outcome, text, usage, fits in product(LineOutcome, ["Lima", None], [USAGE, None], [True, False])
]


def placed(index: int, line: OutputLine, *, offset: int = 0) -> PlacedLine:
    """As a reader of lines gives it: in short where nothing is unusual about it."""
    usual = line.outcome is LineOutcome.ANSWERED and line.fits_model and line.text is not None
    if not usual or line.usage is None:
        return index, offset, 20, line
    return index, offset, 20, line.text or "", line.finish_reason, *astuple(line.usage)


def seen(outcome: Settlement) -> tuple[object, ...]:
    usage = outcome.usage
    return list(outcome.results), outcome.retries, outcome.no_longer_retried, outcome.completed, outcome.failed, usage


@pytest.mark.parametrize("cancelled", [False, True])
def test_every_line_comes_to_the_same_on_the_short_way(cancelled: bool) -> None:
    terms = replace(TERMS, cancelled=cancelled)
    lines = [placed(index, line, offset=index * 20) for index, line in enumerate(LINES)]
    assert {len(line) for line in lines} == {4, 9}
    judged = Settlement()
    for index, line in enumerate(LINES):
        settle_one(judged, (index, index * 20, 20, line), UNTRIED, terms=terms, sequence=100)
    settled = settle(lines[::-1], Members(Holding(0, len(lines))), terms=terms, sequence=100)
    assert seen(settled) == seen(judged)


def test_among_many_lines_the_few_that_are_not_usual_come_to_the_same() -> None:
    refused = OutputLine("x", LineOutcome.REFUSED, None, "stop", USAGE, "why")
    answered = OutputLine("x", LineOutcome.ANSWERED, "Lima", "stop", USAGE)
    said = [refused if index in {3, 250} else answered for index in range(400)]
    judged = Settlement()
    for index, line in enumerate(said):
        if index not in {120, 330}:
            settle_one(judged, (index, index * 20, 20, line), UNTRIED, terms=TERMS, sequence=100)
    lines = [placed(index, line, offset=index * 20) for index, line in enumerate(said)]
    members = Members(Holding(0, 400, exceptions=[120, 330]))
    settled = settle(lines, members, terms=TERMS, sequence=100)
    assert seen(settled) == seen(judged)
    assert settled.second_answers == 2
    assert list(members) == []


def test_a_retried_item_comes_to_the_same_on_the_short_way() -> None:
    answered, holding = OutputLine("x", LineOutcome.ANSWERED, "Lima", "stop", USAGE), Holding(retries=[Member(7, 1, 1)])
    short = settle([placed(7, answered)], Members(holding), terms=TERMS, sequence=100)
    assert seen(short) == seen(settle([(7, 0, 20, answered)], Members(holding), terms=TERMS, sequence=100))
    assert (short.no_longer_retried, short.results[0].attempt_count) == ([7], 2)


def test_tokens_of_taken_and_of_repeated_answers_are_counted_alike() -> None:
    answered = OutputLine("x", LineOutcome.ANSWERED, "Lima", usage=USAGE)
    invalid = OutputLine("x", LineOutcome.INVALID_OUTPUT, "Lima", usage=USAGE)
    outcome = settle([placed(0, answered), placed(1, invalid)], Members(Holding(0, 2)), terms=TERMS, sequence=0)
    assert len(outcome.retries) == 1
    assert outcome.usage == TokenUsage(2, 4, 6, 8)


def test_the_first_of_two_answers_in_a_file_counts() -> None:
    first, second = OutputLine("x", LineOutcome.ANSWERED, "one"), OutputLine("x", LineOutcome.ANSWERED, "two")
    lines = [placed(0, first, offset=0), placed(0, second, offset=20)]
    outcome = settle(lines, Members(Holding(0, 1)), terms=TERMS, sequence=0)
    assert [row.output_text for row in outcome.results] == ["one"]
    assert outcome.second_answers == 1


def test_a_member_is_taken_once() -> None:
    members = Members(Holding(10, 13, exceptions=[11], retries=[Member(11, 2, 1), Member(90, 0, 1)]))
    assert [members.take(index) for index in (9, 10, 10, 13, 90, 90)] == [None, UNTRIED, None, None, Tries(0, 1), None]
    assert list(members) == [12, 11]
    assert [index in members for index in (10, 11, 12, 90)] == [False, True, True, False]


def test_items_never_sent_before_are_taken_together_or_not_at_all() -> None:
    members = Members(Holding(10, 20, exceptions=[13], retries=[Member(13, 2, 1)]))
    for indexes in ([9, 10], [10, 13], [19, 20], [10, 10], [13]):
        assert not members.take_untried(indexes)
    assert members.take_untried([10, 12, 19])
    assert not members.take_untried([11, 12])
    assert list(members) == [11, 14, 15, 16, 17, 18, 13]


def test_a_holding_lists_its_range_without_the_exceptions_and_its_retries() -> None:
    holding = Holding(10, 14, exceptions=[11, 13], retries=[Member(3, 1, 0), Member(13, 2, 0)])
    assert holding.members() == [Member(3, 1, 0), Member(10, 0, 0), Member(12, 0, 0), Member(13, 2, 0)]
    assert len(holding) == 4
