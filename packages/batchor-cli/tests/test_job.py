"""From options to a job."""

from pathlib import Path
from typing import Any

import pytest

from batchor import ArtifactPolicy, ChunkPolicy, OpenAIEnqueueLimitConfig, RetryPolicy
from batchor_cli.job import build_job
from batchor_cli.job_options import (
    JobOptions,
    LimitOptions,
    ModelOptions,
    PolicyOptions,
    PromptOptions,
    SourceOptions,
)
from batchor_cli.options import Access
from batchor_cli.target import Target
from batchor_core.errors import ConfigurationError


def job(prompt: PromptOptions | None = None, **groups: Any) -> Any:
    options: dict[str, Any] = {
        "source": SourceOptions(input=[Path("rows.jsonl")], id_field="id"),
        "prompt": prompt or PromptOptions(prompt_field="text"),
        "answers": ModelOptions(model="m"),
        "limits": LimitOptions(),
        "policies": PolicyOptions(),
    }
    given = JobOptions(**{**options, **groups})
    return build_job(given, Access(), target=Target(base_url="https://api.example.org/v1"), poll_interval_s=1.0)


def test_what_is_not_given_is_as_the_library_has_it() -> None:
    plain = job()
    assert (plain.chunk_policy, plain.retry_policy, plain.artifact_policy) == (
        ChunkPolicy(),
        RetryPolicy(),
        ArtifactPolicy(),
    )
    assert plain.provider_config.enqueue_limits is None


def test_policies_are_those_given() -> None:
    policies = PolicyOptions(
        max_attempts=5, max_deferrals=2, base_backoff_s=1.5, max_backoff_s=60, on_refusal="accept",
        on_truncation="retry", on_empty="fail", drop_raw_outputs=True, delete_provider_files=True,
    )  # fmt: skip
    given = job(policies=policies)
    assert given.retry_policy == RetryPolicy(5, 1.5, 60, 2, on_refusal="accept", on_truncation="retry", on_empty="fail")
    assert given.artifact_policy == ArtifactPolicy(persist_raw_output_artifacts=False, delete_provider_files=True)


def test_limits_of_enqueued_tokens_are_those_given() -> None:
    limits = LimitOptions(
        max_requests=9, enqueued_token_limit=1_000, enqueue_target_ratio=0.7, enqueue_headroom=50,
        max_batch_enqueued_tokens=500, quota_scope="team",
    )  # fmt: skip
    given = job(limits=limits)
    assert given.chunk_policy.max_requests == 9
    assert given.provider_config.enqueue_limits == OpenAIEnqueueLimitConfig(1_000, 0.7, 50, 500, "team")


def test_limits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="leaves no token"):
        job(limits=LimitOptions(enqueued_token_limit=10, enqueue_headroom=10))


def test_what_prompts_are_made_of_makes_the_job_the_same_job() -> None:
    template = PromptOptions(prompt_template="{text}!", system_prompt="Judge.")
    carrying = SourceOptions(input=[Path("rows.jsonl")], id_field="id", carry=["size"])
    assert job(template, source=carrying).identity == {
        "id_field": "id",
        "prompt_template": "{text}!",
        "system_prompt": "Judge.",
        "carry": '["size"]',
    }
