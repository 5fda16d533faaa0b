"""From the options of a command to a job."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from batchor import (
    ArtifactPolicy,
    BatchItem,
    BatchJob,
    ChunkPolicy,
    OpenAIEndpoint,
    OpenAIEnqueueLimitConfig,
    OpenAIProviderConfig,
    PromptParts,
    RetryPolicy,
)
from batchor_cli.job_options import Endpoint, JobOptions, LimitOptions, PolicyOptions, PromptOptions
from batchor_cli.model_class import chosen_model
from batchor_cli.options import Access
from batchor_cli.prompt_template import PromptTemplate, field_text
from batchor_cli.result_shape import CARRIED
from batchor_cli.sources import Row, item_source
from batchor_cli.target import Target
from batchor_core.errors import ConfigurationError

_ENDPOINTS = {Endpoint.RESPONSES: OpenAIEndpoint.RESPONSES, Endpoint.CHAT: OpenAIEndpoint.CHAT_COMPLETIONS}


def build_job(options: JobOptions, access: Access, *, target: Target, poll_interval_s: float) -> BatchJob[Row, Any]:
    """The job that the options describe; `ConfigurationError` when they contradict each other."""
    prompt = _prompt(options.prompt)
    policies = options.policies
    return BatchJob(
        items=item_source(options.source, prompt_fields=prompt.fields),
        build_prompt=_prompt_builder(prompt, options.prompt.system_prompt),
        provider_config=_provider_config(options, target=target, poll_interval_s=poll_interval_s),
        structured_output=chosen_model(access.structured_output_class),
        schema_name=options.answers.schema_name,
        chunk_policy=ChunkPolicy(**_given(max_requests=options.limits.max_requests)),
        retry_policy=_retry_policy(policies),
        artifact_policy=ArtifactPolicy(
            persist_raw_output_artifacts=not policies.drop_raw_outputs,
            delete_provider_files=policies.delete_provider_files,
        ),
        identity=_identity(options),
        on_prompt_error=options.prompt.on_prompt_error,
    )


@dataclass(frozen=True, slots=True)
class _Prompt:
    """How a row becomes a prompt, and which of its fields that takes."""

    text_of: Callable[[Row], str]
    fields: Sequence[str]


def _prompt(options: PromptOptions) -> _Prompt:
    match options.prompt_field, options.prompt_template:
        case str(field), None:
            return _Prompt(lambda row: field_text(row, field), [field])
        case None, str(text):
            template = PromptTemplate.parse(text)
            return _Prompt(template.fill, template.fields)
        case _:
            raise ConfigurationError("give either --prompt-field or --prompt-template")


def _prompt_builder(prompt: _Prompt, system_prompt: str | None) -> Callable[[BatchItem[Row]], PromptParts]:
    text_of = prompt.text_of
    return lambda item: PromptParts(text_of(item.payload), system_prompt)


def _provider_config(options: JobOptions, *, target: Target, poll_interval_s: float) -> OpenAIProviderConfig:
    answers = options.answers
    return OpenAIProviderConfig(
        model=answers.model,
        api_key=target.api_key,
        base_url=target.base_url,
        endpoint=_ENDPOINTS[answers.endpoint],
        temperature=answers.temperature,
        max_output_tokens=answers.max_output_tokens,
        reasoning_effort=answers.reasoning_effort,
        poll_interval_s=poll_interval_s,
        enqueue_limits=_enqueue_limits(options.limits),
    )


def _enqueue_limits(limits: LimitOptions) -> OpenAIEnqueueLimitConfig | None:
    given = _given(
        enqueued_token_limit=limits.enqueued_token_limit,
        target_ratio=limits.enqueue_target_ratio,
        headroom=limits.enqueue_headroom,
        max_batch_enqueued_tokens=limits.max_batch_enqueued_tokens,
        quota_scope=limits.quota_scope,
    )
    return OpenAIEnqueueLimitConfig(**given) if given else None


def _retry_policy(policies: PolicyOptions) -> RetryPolicy:
    return RetryPolicy(
        **_given(
            max_attempts=policies.max_attempts,
            max_deferrals=policies.max_deferrals,
            base_backoff_s=policies.base_backoff_s,
            max_backoff_s=policies.max_backoff_s,
            on_refusal=policies.on_refusal,
            on_truncation=policies.on_truncation,
            on_empty=policies.on_empty,
        )
    )


def _identity(options: JobOptions) -> dict[str, str]:
    """What else makes it the same job: rows of one run must not get prompts of two templates."""
    return _given(
        id_field=options.source.id_field,
        prompt_field=options.prompt.prompt_field,
        prompt_template=options.prompt.prompt_template,
        system_prompt=options.prompt.system_prompt,
        **{CARRIED: json.dumps(options.source.carry) if options.source.carry else None},
    )


def _given(**options: Any) -> dict[str, Any]:
    """Those that were given; the library knows the defaults of the others."""
    return {name: value for name, value in options.items() if value is not None}
