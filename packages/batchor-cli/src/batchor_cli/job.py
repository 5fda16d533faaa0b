"""From the options of a command to a job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from batchor import (
    BatchItem,
    BatchJob,
    ChunkPolicy,
    JsonlItemSource,
    OpenAIEndpoint,
    OpenAIProviderConfig,
    PromptParts,
    RetryPolicy,
)
from batchor_cli.model_class import chosen_model
from batchor_cli.options import Access, Endpoint, JobOptions
from batchor_cli.prompt_template import PromptTemplate, field_text
from batchor_cli.target import Target
from batchor_core.errors import ConfigurationError, SourceError

type Row = dict[str, Any]

_ENDPOINTS = {Endpoint.RESPONSES: OpenAIEndpoint.RESPONSES, Endpoint.CHAT: OpenAIEndpoint.CHAT_COMPLETIONS}


def build_job(options: JobOptions, access: Access, *, target: Target, poll_interval_s: float) -> BatchJob[Row, Any]:
    """The job that the options describe; `ConfigurationError` when they contradict each other."""
    return BatchJob(
        items=_source(options.input, options.id_field),
        build_prompt=_prompt_builder(options),
        provider_config=_provider_config(options, target=target, poll_interval_s=poll_interval_s),
        structured_output=chosen_model(access.structured_output_class),
        schema_name=options.schema_name,
        chunk_policy=ChunkPolicy() if options.max_requests is None else ChunkPolicy(max_requests=options.max_requests),
        retry_policy=RetryPolicy() if options.max_attempts is None else RetryPolicy(max_attempts=options.max_attempts),
        on_prompt_error=options.on_prompt_error.policy,
    )


def _source(path: Path, id_field: str) -> JsonlItemSource[Row]:
    return JsonlItemSource(path, item_id_from_row=lambda row: _item_id(row, id_field), payload_from_row=lambda row: row)


def _item_id(row: Row, field: str) -> str:
    value = row.get(field)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise SourceError(f"the id field {field!r} holds {value!r}, not text or a whole number")


def _prompt_builder(options: JobOptions) -> Callable[[BatchItem[Row]], PromptParts]:
    text_of = _text_of(options)
    system_prompt = options.system_prompt
    return lambda item: PromptParts(text_of(item.payload), system_prompt)


def _text_of(options: JobOptions) -> Callable[[Row], str]:
    match options.prompt_field, options.prompt_template:
        case str(field), None:
            return lambda row: field_text(row, field)
        case None, str(template):
            return PromptTemplate.parse(template).fill
        case _:
            raise ConfigurationError("give either --prompt-field or --prompt-template")


def _provider_config(options: JobOptions, *, target: Target, poll_interval_s: float) -> OpenAIProviderConfig:
    return OpenAIProviderConfig(
        model=options.model,
        api_key=target.api_key,
        base_url=target.base_url,
        endpoint=_ENDPOINTS[options.endpoint],
        temperature=options.temperature,
        max_output_tokens=options.max_output_tokens,
        reasoning_effort=options.reasoning_effort,
        poll_interval_s=poll_interval_s,
    )
