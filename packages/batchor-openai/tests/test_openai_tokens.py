"""Token counts: exact with the tokenizer, never far too few without it."""

import random
import string

import pytest

from batchor_core.domain.item import PromptParts
from batchor_core.ports.provider import TokenCounter
from batchor_openai import OpenAITokenCounter
from batchor_openai.tokens import encoding_of, estimate

RANDOM = random.Random(7)  # noqa: S311  texts that are the same in every run
TEXTS = {
    "prose": "All human beings are born free and equal in dignity and rights. " * 30,
    "german": "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung. " * 30,
    "chinese": "人人生而自由在尊严和权利上一律平等。" * 50,
    "amharic": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው። " * 30,
    "base64": "".join(RANDOM.choices(string.ascii_letters + string.digits + "+/", k=5_000)),
    "letters": "".join(RANDOM.choices(string.ascii_uppercase, k=5_000)),
    "digits": "".join(RANDOM.choices(string.digits, k=5_000)),
    "punctuation": "".join(RANDOM.choices(string.punctuation, k=5_000)),
    "emoji": "".join(chr(RANDOM.randint(0x1F300, 0x1F6FF)) for _ in range(5_000)),
    "rare": "".join(chr(RANDOM.randint(0x10000, 0x1FFFF)) for _ in range(5_000)),
}


@pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_the_estimate_never_lies_far_below_the_truth(text: str, encoding: str) -> None:
    toktok = pytest.importorskip("toktok")
    assert estimate(text) >= 0.95 * toktok.batch_count([text], encoding)[0]


def test_the_estimate_of_prose_stays_within_a_factor_of_four() -> None:
    toktok = pytest.importorskip("toktok")
    assert estimate(TEXTS["prose"]) <= 4 * toktok.batch_count([TEXTS["prose"]], "o200k_base")[0]


def test_exact_counts_are_those_of_the_tokenizer_and_the_messages() -> None:
    pytest.importorskip("toktok")
    counter: TokenCounter = OpenAITokenCounter("gpt-4.1")
    alone, with_system = counter.count([PromptParts("hello world"), PromptParts("hello world", "hello world")])
    assert 2 <= alone <= 2 + 8
    assert alone + 2 <= with_system <= alone + 2 + 8


def test_each_prompt_has_its_own_count_in_order() -> None:
    requests = [PromptParts("word " * number, "system" if number % 2 else None) for number in range(1, 40)]
    counter = OpenAITokenCounter("gpt-4.1")
    together = list(counter.count(requests))
    assert together == [counter.count([request])[0] for request in requests]
    assert together[-1] > together[0]


@pytest.mark.parametrize("text", ["", "half a pair \ud83d", "<|endoftext|>", "\x00"])
def test_text_of_any_kind_is_counted(text: str) -> None:
    assert OpenAITokenCounter("gpt-4.1").count([PromptParts(text, text)])[0] > 0


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4.1", "o200k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-5.2-mini", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("model-of-tomorrow", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("ft:gpt-3.5-turbo:acme", "cl100k_base"),
        ("gpt-oss-120b", "o200k_harmony"),
    ],
)
def test_each_model_is_counted_with_its_vocabulary(model: str, encoding: str) -> None:
    assert encoding_of(model) == encoding
