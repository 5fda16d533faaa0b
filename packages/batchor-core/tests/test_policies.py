"""Chunks, retries, budgets: the plain values that a user sets, and the pure functions that read them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Literal

import pytest

from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.chunking import ChunkLimits, RequestRef, plan_chunk
from batchor_core.domain.output_line import LineOutcome
from batchor_core.domain.policies import ChunkPolicy, RetryPolicy
from batchor_core.domain.retry import Tries, Verdict, backoff, judge, retry_at
from batchor_core.errors import ConfigurationError

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)

SIZES = [
    [],
    [(1, 1)],
    [(10, 5)] * 7,
    [(100, 1), (1, 100), (1, 1), (50, 50)],
    [(3, 0), (1, 4), (1, 5), (9, 2), (6, 5)],
    [(1000, 1000), (1, 1)],
]
LIMITS = [
    ChunkLimits(max_requests, max_bytes, max_tokens)
    for max_requests, max_bytes, max_tokens in product([1, 3, 100], [1, 20, 10_000], [None, 1, 10, 1_000])
]


def requests(sizes: list[tuple[int, int]]) -> list[RequestRef]:
    return [RequestRef(index, 1, 0, length, tokens) for index, (length, tokens) in enumerate(sizes)]


def within(refs: list[RequestRef], limits: ChunkLimits) -> bool:
    return (
        len(refs) <= limits.max_requests
        and sum(ref.length for ref in refs) <= limits.max_bytes
        and (limits.max_tokens is None or sum(ref.tokens for ref in refs) <= limits.max_tokens)
    )


ALL_CHUNKS = [pytest.param(requests(sizes), limits) for sizes, limits in product(SIZES, LIMITS)]


@pytest.mark.parametrize(("refs", "limits"), ALL_CHUNKS)
def test_a_chunk_is_a_prefix_and_knows_its_sums(refs: list[RequestRef], limits: ChunkLimits) -> None:
    chunk = plan_chunk(refs, limits)
    taken = list(chunk.requests)
    assert taken == refs[: len(taken)]
    assert chunk.request_bytes == sum(ref.length for ref in taken)
    assert chunk.tokens == sum(ref.tokens for ref in taken)


@pytest.mark.parametrize(("refs", "limits"), ALL_CHUNKS)
def test_a_chunk_is_within_its_limits_or_a_single_request(refs: list[RequestRef], limits: ChunkLimits) -> None:
    taken = list(plan_chunk(refs, limits).requests)
    assert within(taken, limits) or len(taken) == 1


@pytest.mark.parametrize(("refs", "limits"), ALL_CHUNKS)
def test_a_chunk_takes_all_that_fits_and_at_least_one_request(refs: list[RequestRef], limits: ChunkLimits) -> None:
    number = len(plan_chunk(refs, limits).requests)
    assert number == len(refs) or (number >= 1 and not within(refs[: number + 1], limits))


@pytest.mark.parametrize("sizes", SIZES)
def test_chunk_after_chunk_takes_every_request_once(sizes: list[tuple[int, int]]) -> None:
    refs = requests(sizes)
    taken: list[RequestRef] = []
    while chunk := plan_chunk(refs[len(taken) :], ChunkLimits(3, 20, 10)).requests:
        taken += chunk
    assert taken == refs


def test_no_requests_make_an_empty_chunk() -> None:
    chunk = plan_chunk([], ChunkLimits(3, 20))
    assert (list(chunk.requests), chunk.request_bytes, chunk.tokens) == ([], 0, 0)


def test_a_chunk_reads_one_request_beyond_what_it_takes_and_no_more() -> None:
    rest = iter(requests([(10, 1)] * 9))
    plan_chunk(rest, ChunkLimits(3, 1_000))
    assert next(rest).item_index == 4


def test_a_request_may_be_as_large_as_a_batch_unless_a_limit_says_less() -> None:
    assert ChunkPolicy(max_batch_bytes=100).request_limit_bytes == 100
    assert ChunkPolicy(max_batch_bytes=100, max_request_bytes=30).request_limit_bytes == 30
    assert ChunkPolicy(max_batch_bytes=100, max_request_bytes=300).request_limit_bytes == 100


@pytest.mark.parametrize("wrong", [{"max_requests": 0}, {"max_batch_bytes": 0}, {"max_request_bytes": 0}])
def test_a_chunk_policy_that_lets_nothing_through_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"ChunkPolicy.{next(iter(wrong))} must be at least 1"):
        ChunkPolicy(**wrong)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"max_attempts": 0}, "max_attempts must be at least 1"),
        ({"max_deferrals": -1}, "max_deferrals must not be negative"),
        ({"base_backoff_s": -1}, "base_backoff_s must lie between"),
        ({"base_backoff_s": 10, "max_backoff_s": 9}, "base_backoff_s must lie between"),
        ({"base_backoff_s": float("nan")}, "base_backoff_s must lie between"),
    ],
)
def test_a_retry_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        RetryPolicy(**wrong)


UNANSWERED = [LineOutcome.PROVIDER_FAILED, LineOutcome.NOT_RUN]
TRIED_AGAIN = [LineOutcome.EMPTY, LineOutcome.INVALID_OUTPUT, LineOutcome.UNREADABLE, *UNANSWERED]
POOR_ANSWERS = {
    LineOutcome.REFUSED: "on_refusal",
    LineOutcome.TRUNCATED: "on_truncation",
    LineOutcome.EMPTY: "on_empty",
}


@pytest.mark.parametrize("outcome", LineOutcome)
def test_an_attempt_is_used_up_when_the_model_answered(outcome: LineOutcome) -> None:
    expected = Tries(3, 5)
    if outcome in {*UNANSWERED, LineOutcome.REQUEST_FAILED}:
        expected = Tries(2, 6)
    if outcome is LineOutcome.THROTTLED:
        expected = Tries(2, 5)
    assert Tries(2, 5).after(outcome) == expected


def test_an_answer_is_accepted() -> None:
    assert judge(LineOutcome.ANSWERED, Tries(1), RetryPolicy()) is Verdict.ACCEPT


@pytest.mark.parametrize("outcome", [LineOutcome.REFUSED, LineOutcome.TRUNCATED, LineOutcome.REQUEST_FAILED])
def test_what_would_end_the_same_way_is_not_tried_again(outcome: LineOutcome) -> None:
    assert judge(outcome, Tries(), RetryPolicy(max_attempts=9)) is Verdict.FAIL


@pytest.mark.parametrize("outcome", TRIED_AGAIN)
def test_other_outcomes_are_tried_again_while_attempts_are_left(outcome: LineOutcome) -> None:
    policy = RetryPolicy(max_attempts=3, max_deferrals=2)
    assert judge(outcome, Tries(2, 2), policy) is Verdict.RETRY
    assert judge(outcome, Tries(3, 0), policy) is Verdict.FAIL
    assert judge(outcome, Tries(0, 3), policy) is Verdict.FAIL


@pytest.mark.parametrize("wish", ["fail", "retry", "accept"])
@pytest.mark.parametrize(("outcome", "field"), POOR_ANSWERS.items())
def test_the_policy_says_what_becomes_of_a_poor_answer(
    outcome: LineOutcome, field: str, wish: Literal["fail", "retry", "accept"]
) -> None:
    policy = replace(RetryPolicy(), **{field: wish})
    assert judge(outcome, Tries(1), policy) is Verdict(wish)


@pytest.mark.parametrize("field", POOR_ANSWERS.values())
def test_another_wish_for_a_poor_answer_is_refused(field: str) -> None:
    wishes: dict[str, Any] = {field: "ignore"}
    with pytest.raises(ConfigurationError, match=field):
        RetryPolicy(**wishes)


def test_a_full_queue_is_waited_for_without_end() -> None:
    assert judge(LineOutcome.THROTTLED, Tries(9, 99), RetryPolicy()) is Verdict.RETRY


def test_with_one_attempt_an_answer_is_final_and_a_deferral_is_not() -> None:
    policy = RetryPolicy(max_attempts=1)
    assert judge(LineOutcome.EMPTY, Tries().after(LineOutcome.EMPTY), policy) is Verdict.FAIL
    assert judge(LineOutcome.NOT_RUN, Tries().after(LineOutcome.NOT_RUN), policy) is Verdict.RETRY


def test_without_deferrals_a_request_that_was_not_run_fails() -> None:
    policy = RetryPolicy(max_deferrals=0)
    assert judge(LineOutcome.NOT_RUN, Tries().after(LineOutcome.NOT_RUN), policy) is Verdict.FAIL


@pytest.mark.parametrize(("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 80), (5, 100), (1_000_000, 100)])
def test_the_backoff_doubles_up_to_its_bound(failures: int, seconds: int) -> None:
    policy = RetryPolicy(base_backoff_s=10, max_backoff_s=100)
    assert backoff(failures, policy, jitter=0) == timedelta(seconds=seconds)


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.5, 0.999])
@pytest.mark.parametrize("failures", [1, 3, 50])
def test_jitter_takes_up_to_a_half_off(failures: int, jitter: float) -> None:
    whole = backoff(failures, RetryPolicy(), jitter=0)
    assert whole / 2 <= backoff(failures, RetryPolicy(), jitter=jitter) <= whole


def test_the_provider_may_ask_for_longer_but_not_for_less() -> None:
    policy = RetryPolicy(base_backoff_s=10)
    assert backoff(1, policy, jitter=0, retry_after_s=500) == timedelta(seconds=500)
    assert backoff(1, policy, jitter=0, retry_after_s=1) == timedelta(seconds=10)


def test_a_policy_without_backoff_does_not_wait() -> None:
    assert backoff(9, RetryPolicy(base_backoff_s=0, max_backoff_s=0), jitter=0) == timedelta(0)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(Tries(0, 0), 10), (Tries(1, 0), 10), (Tries(1, 1), 20), (Tries(0, 3), 40)]
)
def test_every_try_so_far_lengthens_the_wait(tries: Tries, seconds: int) -> None:
    due_at = retry_at(NOW, tries, RetryPolicy(base_backoff_s=10), jitter=0, retry_after_s=None)
    assert due_at == NOW + timedelta(seconds=seconds)


def test_the_budget_is_a_ratio_of_the_limit_less_the_headroom() -> None:
    limits = EnqueueLimits(enqueued_token_limit=2_000_000, target_ratio=0.7, headroom=50_000)
    assert limits.budget == 1_350_000


def test_without_a_limit_nothing_is_bounded() -> None:
    assert (EnqueueLimits().budget, EnqueueLimits().max_batch_tokens) == (None, None)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (EnqueueLimits(enqueued_token_limit=1_000), 1_000),
        (EnqueueLimits(max_batch_enqueued_tokens=300), 300),
        (EnqueueLimits(enqueued_token_limit=1_000, max_batch_enqueued_tokens=300), 300),
        (EnqueueLimits(enqueued_token_limit=200, max_batch_enqueued_tokens=300), 200),
    ],
)
def test_one_batch_takes_at_most_the_smaller_of_its_bounds(limits: EnqueueLimits, expected: int) -> None:
    assert limits.max_batch_tokens == expected


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"target_ratio": 0}, "target_ratio"),
        ({"target_ratio": 1.01}, "target_ratio"),
        ({"target_ratio": float("nan")}, "target_ratio"),
        ({"headroom": -1}, "headroom"),
        ({"max_batch_enqueued_tokens": 0}, "max_batch_enqueued_tokens"),
        ({"enqueued_token_limit": 100, "headroom": 100}, "leaves no token"),
        ({"enqueued_token_limit": 0}, "leaves no token"),
    ],
)
def test_limits_that_let_nothing_through_are_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        EnqueueLimits(**wrong)
